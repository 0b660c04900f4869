// Original file: proto/deqfleet/v1/slice.proto


export interface MeasureCostsRequest {
  'seconds'?: (number | string);
  'height'?: (number);
  'width'?: (number);
}

export interface MeasureCostsRequest__Output {
  'seconds': (number);
  'height': (number);
  'width': (number);
}
