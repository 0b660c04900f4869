// Original file: proto/deqfleet/v1/jobs.proto

import type { JobSpec as _deqfleet_v1_JobSpec, JobSpec__Output as _deqfleet_v1_JobSpec__Output } from '../../deqfleet/v1/JobSpec.js';

export interface SubmitRequest {
  'spec'?: (_deqfleet_v1_JobSpec | null);
  'maskFile'?: (Buffer | Uint8Array | string);
}

export interface SubmitRequest__Output {
  'spec': (_deqfleet_v1_JobSpec__Output | null);
  'maskFile': (Buffer);
}
