// Original file: proto/deqfleet/v1/slice.proto


export interface FollowSliceRequest {
  'token'?: (string);
}

export interface FollowSliceRequest__Output {
  'token': (string);
}
