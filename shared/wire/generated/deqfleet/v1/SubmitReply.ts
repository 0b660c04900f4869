// Original file: proto/deqfleet/v1/jobs.proto

import type { JobStatus as _deqfleet_v1_JobStatus, JobStatus__Output as _deqfleet_v1_JobStatus__Output } from '../../deqfleet/v1/JobStatus.js';

export interface SubmitReply {
  'created'?: (boolean);
  'status'?: (_deqfleet_v1_JobStatus | null);
}

export interface SubmitReply__Output {
  'created': (boolean);
  'status': (_deqfleet_v1_JobStatus__Output | null);
}
