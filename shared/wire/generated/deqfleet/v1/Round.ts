// Original file: proto/deqfleet/v1/slice.proto

import type { Tensor as _deqfleet_v1_Tensor, Tensor__Output as _deqfleet_v1_Tensor__Output } from '../../deqfleet/v1/Tensor.js';

export interface Round {
  'round'?: (number);
  'correctFrom'?: (number);
  'evaluateFrom'?: (number);
  'forget'?: (boolean);
  'correction'?: (_deqfleet_v1_Tensor | null);
  'plain'?: (boolean);
  'restart'?: (boolean);
  'evaluateTo'?: (number);
  'gram'?: (number | string)[];
  'correctAhead'?: (boolean);
  '_correctFrom'?: "correctFrom";
}

export interface Round__Output {
  'round': (number);
  'correctFrom'?: (number);
  'evaluateFrom': (number);
  'forget': (boolean);
  'correction': (_deqfleet_v1_Tensor__Output | null);
  'plain': (boolean);
  'restart': (boolean);
  'evaluateTo': (number);
  'gram': (number)[];
  'correctAhead': (boolean);
  '_correctFrom'?: "correctFrom";
}
