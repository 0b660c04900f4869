// Original file: proto/deqfleet/v1/slice.proto


export interface Seconds {
  'network'?: (number | string);
  'kernels'?: (number | string);
  'total'?: (number | string);
}

export interface Seconds__Output {
  'network': (number);
  'kernels': (number);
  'total': (number);
}
