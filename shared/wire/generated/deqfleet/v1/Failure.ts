// Original file: proto/deqfleet/v1/slice.proto


export interface Failure {
  'kind'?: (string);
  'message'?: (string);
}

export interface Failure__Output {
  'kind': (string);
  'message': (string);
}
