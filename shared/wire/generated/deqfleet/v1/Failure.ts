// Original file: proto/deqfleet/v1/failure.proto


export interface Failure {
  'kind'?: (string);
  'message'?: (string);
}

export interface Failure__Output {
  'kind': (string);
  'message': (string);
}
