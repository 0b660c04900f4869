// Original file: proto/deqfleet/v1/slice.proto


export interface Setup {
  'hasMask'?: (boolean);
  'hasEntry'?: (boolean);
  'hasExit'?: (boolean);
}

export interface Setup__Output {
  'hasMask': (boolean);
  'hasEntry': (boolean);
  'hasExit': (boolean);
}
