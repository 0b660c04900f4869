// Original file: proto/deqfleet/v1/fleet.proto

import type { Member as _deqfleet_v1_Member, Member__Output as _deqfleet_v1_Member__Output } from '../../deqfleet/v1/Member.js';

export interface ListMembersReply {
  'members'?: (_deqfleet_v1_Member)[];
}

export interface ListMembersReply__Output {
  'members': (_deqfleet_v1_Member__Output)[];
}
