// Original file: proto/deqfleet/v1/fleet.proto

import type { Registration as _deqfleet_v1_Registration, Registration__Output as _deqfleet_v1_Registration__Output } from '../../deqfleet/v1/Registration.js';
import type { Heartbeat as _deqfleet_v1_Heartbeat, Heartbeat__Output as _deqfleet_v1_Heartbeat__Output } from '../../deqfleet/v1/Heartbeat.js';

export interface WorkerState {
  'registration'?: (_deqfleet_v1_Registration | null);
  'heartbeat'?: (_deqfleet_v1_Heartbeat | null);
  'state'?: "registration"|"heartbeat";
}

export interface WorkerState__Output {
  'registration'?: (_deqfleet_v1_Registration__Output | null);
  'heartbeat'?: (_deqfleet_v1_Heartbeat__Output | null);
  'state'?: "registration"|"heartbeat";
}
