// Original file: proto/deqfleet/v1/slice.proto

import type { StepRun as _deqfleet_v1_StepRun, StepRun__Output as _deqfleet_v1_StepRun__Output } from '../../deqfleet/v1/StepRun.js';

export interface MovedRun {
  'run'?: (_deqfleet_v1_StepRun | null);
  'jacobians'?: (number | string)[];
  'numbers'?: (number);
}

export interface MovedRun__Output {
  'run': (_deqfleet_v1_StepRun__Output | null);
  'jacobians': (number)[];
  'numbers': (number);
}
