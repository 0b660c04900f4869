// Original file: proto/deqfleet/v1/slice.proto

import type { MovedRun as _deqfleet_v1_MovedRun, MovedRun__Output as _deqfleet_v1_MovedRun__Output } from '../../deqfleet/v1/MovedRun.js';
import type { Tensor as _deqfleet_v1_Tensor, Tensor__Output as _deqfleet_v1_Tensor__Output } from '../../deqfleet/v1/Tensor.js';

export interface Recut {
  'begin'?: (number);
  'end'?: (number);
  'evaluatedTo'?: (number);
  'taken'?: (_deqfleet_v1_MovedRun)[];
  'numbers'?: (_deqfleet_v1_Tensor | null);
}

export interface Recut__Output {
  'begin': (number);
  'end': (number);
  'evaluatedTo': (number);
  'taken': (_deqfleet_v1_MovedRun__Output)[];
  'numbers': (_deqfleet_v1_Tensor__Output | null);
}
