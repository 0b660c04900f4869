// Original file: proto/deqfleet/v1/picture.proto

import type { Location as _deqfleet_v1_Location, Location__Output as _deqfleet_v1_Location__Output } from '../../deqfleet/v1/Location.js';

export interface StoredMask {
  'location'?: (_deqfleet_v1_Location | null);
  'sha256'?: (string);
}

export interface StoredMask__Output {
  'location': (_deqfleet_v1_Location__Output | null);
  'sha256': (string);
}
