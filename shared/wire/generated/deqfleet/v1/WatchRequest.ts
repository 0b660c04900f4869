// Original file: proto/deqfleet/v1/jobs.proto


export interface WatchRequest {
  'name'?: (string);
  'intervalMilliseconds'?: (number);
  'heartbeatMilliseconds'?: (number);
}

export interface WatchRequest__Output {
  'name': (string);
  'intervalMilliseconds': (number);
  'heartbeatMilliseconds': (number);
}
