// Original file: proto/deqfleet/v1/slice.proto

import type { Opened as _deqfleet_v1_Opened, Opened__Output as _deqfleet_v1_Opened__Output } from '../../deqfleet/v1/Opened.js';
import type { RoundReport as _deqfleet_v1_RoundReport, RoundReport__Output as _deqfleet_v1_RoundReport__Output } from '../../deqfleet/v1/RoundReport.js';
import type { SerialReport as _deqfleet_v1_SerialReport, SerialReport__Output as _deqfleet_v1_SerialReport__Output } from '../../deqfleet/v1/SerialReport.js';
import type { Tensor as _deqfleet_v1_Tensor, Tensor__Output as _deqfleet_v1_Tensor__Output } from '../../deqfleet/v1/Tensor.js';
import type { Chunk as _deqfleet_v1_Chunk, Chunk__Output as _deqfleet_v1_Chunk__Output } from '../../deqfleet/v1/Chunk.js';
import type { Failure as _deqfleet_v1_Failure, Failure__Output as _deqfleet_v1_Failure__Output } from '../../deqfleet/v1/Failure.js';
import type { Given as _deqfleet_v1_Given, Given__Output as _deqfleet_v1_Given__Output } from '../../deqfleet/v1/Given.js';
import type { RecutDone as _deqfleet_v1_RecutDone, RecutDone__Output as _deqfleet_v1_RecutDone__Output } from '../../deqfleet/v1/RecutDone.js';

export interface SliceEvent {
  'opened'?: (_deqfleet_v1_Opened | null);
  'round'?: (_deqfleet_v1_RoundReport | null);
  'serial'?: (_deqfleet_v1_SerialReport | null);
  'state'?: (_deqfleet_v1_Tensor | null);
  'chunk'?: (_deqfleet_v1_Chunk | null);
  'failure'?: (_deqfleet_v1_Failure | null);
  'given'?: (_deqfleet_v1_Given | null);
  'recut'?: (_deqfleet_v1_RecutDone | null);
  'event'?: "opened"|"round"|"serial"|"state"|"chunk"|"failure"|"given"|"recut";
}

export interface SliceEvent__Output {
  'opened'?: (_deqfleet_v1_Opened__Output | null);
  'round'?: (_deqfleet_v1_RoundReport__Output | null);
  'serial'?: (_deqfleet_v1_SerialReport__Output | null);
  'state'?: (_deqfleet_v1_Tensor__Output | null);
  'chunk'?: (_deqfleet_v1_Chunk__Output | null);
  'failure'?: (_deqfleet_v1_Failure__Output | null);
  'given'?: (_deqfleet_v1_Given__Output | null);
  'recut'?: (_deqfleet_v1_RecutDone__Output | null);
  'event'?: "opened"|"round"|"serial"|"state"|"chunk"|"failure"|"given"|"recut";
}
