// Original file: proto/deqfleet/v1/fleet.proto


export interface CostPoint {
  'batch'?: (number);
  'height'?: (number);
  'width'?: (number);
  'seconds'?: (number | string);
  'calls'?: (number);
}

export interface CostPoint__Output {
  'batch': (number);
  'height': (number);
  'width': (number);
  'seconds': (number);
  'calls': (number);
}
