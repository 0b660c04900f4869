// Original file: proto/deqfleet/v1/slice.proto

import type { Seconds as _deqfleet_v1_Seconds, Seconds__Output as _deqfleet_v1_Seconds__Output } from '../../deqfleet/v1/Seconds.js';
import type { Tensor as _deqfleet_v1_Tensor, Tensor__Output as _deqfleet_v1_Tensor__Output } from '../../deqfleet/v1/Tensor.js';

export interface SerialReport {
  'evaluations'?: (number);
  'seconds'?: (_deqfleet_v1_Seconds | null);
  'exit'?: (_deqfleet_v1_Tensor | null);
}

export interface SerialReport__Output {
  'evaluations': (number);
  'seconds': (_deqfleet_v1_Seconds__Output | null);
  'exit': (_deqfleet_v1_Tensor__Output | null);
}
