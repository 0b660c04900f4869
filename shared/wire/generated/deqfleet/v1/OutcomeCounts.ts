// Original file: proto/deqfleet/v1/jobs.proto

import type { Long } from '@grpc/proto-loader';

export interface OutcomeCounts {
  'done'?: (number | string | Long);
  'failed'?: (number | string | Long);
  'dead'?: (number | string | Long);
  'dropped'?: (number | string | Long);
}

export interface OutcomeCounts__Output {
  'done': (number);
  'failed': (number);
  'dead': (number);
  'dropped': (number);
}
