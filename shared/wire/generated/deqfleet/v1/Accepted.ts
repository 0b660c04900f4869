// Original file: proto/deqfleet/v1/fleet.proto


export interface Accepted {
  'heartbeatMilliseconds'?: (number);
  'silenceMilliseconds'?: (number);
}

export interface Accepted__Output {
  'heartbeatMilliseconds': (number);
  'silenceMilliseconds': (number);
}
