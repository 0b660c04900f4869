// Original file: proto/deqfleet/v1/fleet.proto

import type { Accepted as _deqfleet_v1_Accepted, Accepted__Output as _deqfleet_v1_Accepted__Output } from '../../deqfleet/v1/Accepted.js';
import type { Refused as _deqfleet_v1_Refused, Refused__Output as _deqfleet_v1_Refused__Output } from '../../deqfleet/v1/Refused.js';
import type { Heard as _deqfleet_v1_Heard, Heard__Output as _deqfleet_v1_Heard__Output } from '../../deqfleet/v1/Heard.js';

export interface RegistryOrder {
  'accepted'?: (_deqfleet_v1_Accepted | null);
  'refused'?: (_deqfleet_v1_Refused | null);
  'heard'?: (_deqfleet_v1_Heard | null);
  'order'?: "accepted"|"refused"|"heard";
}

export interface RegistryOrder__Output {
  'accepted'?: (_deqfleet_v1_Accepted__Output | null);
  'refused'?: (_deqfleet_v1_Refused__Output | null);
  'heard'?: (_deqfleet_v1_Heard__Output | null);
  'order'?: "accepted"|"refused"|"heard";
}
