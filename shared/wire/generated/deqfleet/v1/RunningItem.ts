// Original file: proto/deqfleet/v1/jobs.proto

import type { Long } from '@grpc/proto-loader';

export interface RunningItem {
  'index'?: (number | string | Long);
  'key'?: (string);
  'delivery'?: (number);
  'since'?: (string);
  'worker'?: (string);
  'round'?: (number);
  'residual'?: (number | string);
  '_residual'?: "residual";
}

export interface RunningItem__Output {
  'index': (number);
  'key': (string);
  'delivery': (number);
  'since': (string);
  'worker': (string);
  'round': (number);
  'residual'?: (number);
  '_residual'?: "residual";
}
