// Original file: proto/deqfleet/v1/slice.proto


export interface Opened {
  'lane'?: (boolean);
}

export interface Opened__Output {
  'lane': (boolean);
}
