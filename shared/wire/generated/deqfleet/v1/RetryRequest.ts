// Original file: proto/deqfleet/v1/jobs.proto


export interface RetryRequest {
  'name'?: (string);
  'failed'?: (boolean);
  'dead'?: (boolean);
}

export interface RetryRequest__Output {
  'name': (string);
  'failed': (boolean);
  'dead': (boolean);
}
