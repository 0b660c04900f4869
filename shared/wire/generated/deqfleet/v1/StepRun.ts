// Original file: proto/deqfleet/v1/slice.proto


export interface StepRun {
  'begin'?: (number);
  'end'?: (number);
  'entry'?: (boolean);
  'exit'?: (boolean);
}

export interface StepRun__Output {
  'begin': (number);
  'end': (number);
  'entry': (boolean);
  'exit': (boolean);
}
