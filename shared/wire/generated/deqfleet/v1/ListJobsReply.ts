// Original file: proto/deqfleet/v1/jobs.proto

import type { JobStatus as _deqfleet_v1_JobStatus, JobStatus__Output as _deqfleet_v1_JobStatus__Output } from '../../deqfleet/v1/JobStatus.js';

export interface ListJobsReply {
  'jobs'?: (_deqfleet_v1_JobStatus)[];
}

export interface ListJobsReply__Output {
  'jobs': (_deqfleet_v1_JobStatus__Output)[];
}
