// Original file: proto/deqfleet/v1/slice.proto

import type { Seconds as _deqfleet_v1_Seconds, Seconds__Output as _deqfleet_v1_Seconds__Output } from '../../deqfleet/v1/Seconds.js';
import type { Tensor as _deqfleet_v1_Tensor, Tensor__Output as _deqfleet_v1_Tensor__Output } from '../../deqfleet/v1/Tensor.js';

export interface RoundReport {
  'residuals'?: (number | string)[];
  'transferRange'?: (number | string);
  'transferNull'?: (number | string);
  'evaluations'?: (number);
  'seconds'?: (_deqfleet_v1_Seconds | null);
  'exit'?: (_deqfleet_v1_Tensor | null);
  'gram'?: (number | string)[];
}

export interface RoundReport__Output {
  'residuals': (number)[];
  'transferRange': (number);
  'transferNull': (number);
  'evaluations': (number);
  'seconds': (_deqfleet_v1_Seconds__Output | null);
  'exit': (_deqfleet_v1_Tensor__Output | null);
  'gram': (number)[];
}
