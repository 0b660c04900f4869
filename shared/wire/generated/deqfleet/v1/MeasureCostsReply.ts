// Original file: proto/deqfleet/v1/slice.proto

import type { CostPoint as _deqfleet_v1_CostPoint, CostPoint__Output as _deqfleet_v1_CostPoint__Output } from '../../deqfleet/v1/CostPoint.js';

export interface MeasureCostsReply {
  'costs'?: (_deqfleet_v1_CostPoint)[];
}

export interface MeasureCostsReply__Output {
  'costs': (_deqfleet_v1_CostPoint__Output)[];
}
