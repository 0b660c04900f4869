// Original file: proto/deqfleet/v1/picture.proto


export interface Location {
  'store'?: (string);
  'key'?: (string);
}

export interface Location__Output {
  'store': (string);
  'key': (string);
}
