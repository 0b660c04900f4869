// Original file: proto/deqfleet/v1/jobs.proto

import type { JobSpec as _deqfleet_v1_JobSpec, JobSpec__Output as _deqfleet_v1_JobSpec__Output } from '../../deqfleet/v1/JobSpec.js';
import type { OutcomeCounts as _deqfleet_v1_OutcomeCounts, OutcomeCounts__Output as _deqfleet_v1_OutcomeCounts__Output } from '../../deqfleet/v1/OutcomeCounts.js';
import type { RunningItem as _deqfleet_v1_RunningItem, RunningItem__Output as _deqfleet_v1_RunningItem__Output } from '../../deqfleet/v1/RunningItem.js';
import type { Long } from '@grpc/proto-loader';

export interface JobStatus {
  'spec'?: (_deqfleet_v1_JobSpec | null);
  'state'?: (string);
  'pausedBecause'?: (string);
  'listed'?: (number | string | Long);
  'listedAll'?: (boolean);
  'generation'?: (number);
  'counts'?: (_deqfleet_v1_OutcomeCounts | null);
  'pending'?: (number | string | Long);
  'rate'?: (number | string);
  'secondsLeft'?: (number | string);
  'running'?: (_deqfleet_v1_RunningItem)[];
  'waitingFor'?: (string);
  'createdAt'?: (string);
  'updatedAt'?: (string);
  'finishedAt'?: (string);
  'trouble'?: (string);
  '_secondsLeft'?: "secondsLeft";
}

export interface JobStatus__Output {
  'spec': (_deqfleet_v1_JobSpec__Output | null);
  'state': (string);
  'pausedBecause': (string);
  'listed': (number);
  'listedAll': (boolean);
  'generation': (number);
  'counts': (_deqfleet_v1_OutcomeCounts__Output | null);
  'pending': (number);
  'rate': (number);
  'secondsLeft'?: (number);
  'running': (_deqfleet_v1_RunningItem__Output)[];
  'waitingFor': (string);
  'createdAt': (string);
  'updatedAt': (string);
  'finishedAt': (string);
  'trouble': (string);
  '_secondsLeft'?: "secondsLeft";
}
