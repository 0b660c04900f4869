// Original file: proto/deqfleet/v1/jobs.proto


export interface JobSpec {
  'name'?: (string);
  'input'?: (string);
  'output'?: (string);
  'restorationJson'?: (string);
  'model'?: (string);
  'mask'?: (string);
  'priority'?: (number);
  'weight'?: (number | string);
  'goal'?: (string);
  'maxDeliveries'?: (number);
}

export interface JobSpec__Output {
  'name': (string);
  'input': (string);
  'output': (string);
  'restorationJson': (string);
  'model': (string);
  'mask': (string);
  'priority': (number);
  'weight': (number);
  'goal': (string);
  'maxDeliveries': (number);
}
