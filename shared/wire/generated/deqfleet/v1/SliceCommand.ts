// Original file: proto/deqfleet/v1/slice.proto

import type { Setup as _deqfleet_v1_Setup, Setup__Output as _deqfleet_v1_Setup__Output } from '../../deqfleet/v1/Setup.js';
import type { Tensor as _deqfleet_v1_Tensor, Tensor__Output as _deqfleet_v1_Tensor__Output } from '../../deqfleet/v1/Tensor.js';
import type { Chunk as _deqfleet_v1_Chunk, Chunk__Output as _deqfleet_v1_Chunk__Output } from '../../deqfleet/v1/Chunk.js';
import type { Round as _deqfleet_v1_Round, Round__Output as _deqfleet_v1_Round__Output } from '../../deqfleet/v1/Round.js';
import type { Serial as _deqfleet_v1_Serial, Serial__Output as _deqfleet_v1_Serial__Output } from '../../deqfleet/v1/Serial.js';
import type { ReadState as _deqfleet_v1_ReadState, ReadState__Output as _deqfleet_v1_ReadState__Output } from '../../deqfleet/v1/ReadState.js';
import type { StepRun as _deqfleet_v1_StepRun, StepRun__Output as _deqfleet_v1_StepRun__Output } from '../../deqfleet/v1/StepRun.js';
import type { Recut as _deqfleet_v1_Recut, Recut__Output as _deqfleet_v1_Recut__Output } from '../../deqfleet/v1/Recut.js';

export interface SliceCommand {
  'setup'?: (_deqfleet_v1_Setup | null);
  'setupTensor'?: (_deqfleet_v1_Tensor | null);
  'chunk'?: (_deqfleet_v1_Chunk | null);
  'round'?: (_deqfleet_v1_Round | null);
  'serial'?: (_deqfleet_v1_Serial | null);
  'readState'?: (_deqfleet_v1_ReadState | null);
  'give'?: (_deqfleet_v1_StepRun | null);
  'recut'?: (_deqfleet_v1_Recut | null);
  'command'?: "setup"|"setupTensor"|"chunk"|"round"|"serial"|"readState"|"give"|"recut";
}

export interface SliceCommand__Output {
  'setup'?: (_deqfleet_v1_Setup__Output | null);
  'setupTensor'?: (_deqfleet_v1_Tensor__Output | null);
  'chunk'?: (_deqfleet_v1_Chunk__Output | null);
  'round'?: (_deqfleet_v1_Round__Output | null);
  'serial'?: (_deqfleet_v1_Serial__Output | null);
  'readState'?: (_deqfleet_v1_ReadState__Output | null);
  'give'?: (_deqfleet_v1_StepRun__Output | null);
  'recut'?: (_deqfleet_v1_Recut__Output | null);
  'command'?: "setup"|"setupTensor"|"chunk"|"round"|"serial"|"readState"|"give"|"recut";
}
