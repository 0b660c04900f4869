// Original file: proto/deqfleet/v1/fleet.proto

import type { CostPoint as _deqfleet_v1_CostPoint, CostPoint__Output as _deqfleet_v1_CostPoint__Output } from '../../deqfleet/v1/CostPoint.js';

export interface Heartbeat {
  'draining'?: (boolean);
  'holds'?: (number);
  'costs'?: (_deqfleet_v1_CostPoint)[];
}

export interface Heartbeat__Output {
  'draining': (boolean);
  'holds': (number);
  'costs': (_deqfleet_v1_CostPoint__Output)[];
}
