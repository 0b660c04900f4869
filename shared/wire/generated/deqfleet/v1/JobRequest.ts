// Original file: proto/deqfleet/v1/jobs.proto


export interface JobRequest {
  'name'?: (string);
}

export interface JobRequest__Output {
  'name': (string);
}
