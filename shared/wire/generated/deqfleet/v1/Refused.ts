// Original file: proto/deqfleet/v1/fleet.proto


export interface Refused {
  'reason'?: (string);
  'permanent'?: (boolean);
}

export interface Refused__Output {
  'reason': (string);
  'permanent': (boolean);
}
