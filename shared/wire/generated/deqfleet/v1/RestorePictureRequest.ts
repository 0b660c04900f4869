// Original file: proto/deqfleet/v1/picture.proto

import type { Location as _deqfleet_v1_Location, Location__Output as _deqfleet_v1_Location__Output } from '../../deqfleet/v1/Location.js';
import type { StoredMask as _deqfleet_v1_StoredMask, StoredMask__Output as _deqfleet_v1_StoredMask__Output } from '../../deqfleet/v1/StoredMask.js';

export interface RestorePictureRequest {
  'protocolVersion'?: (number);
  'pictureId'?: (string);
  'restorationJson'?: (string);
  'input'?: (_deqfleet_v1_Location | null);
  'output'?: (_deqfleet_v1_Location | null);
  'measurement'?: (_deqfleet_v1_Location | null);
  'mask'?: (_deqfleet_v1_StoredMask | null);
  'job'?: (string);
}

export interface RestorePictureRequest__Output {
  'protocolVersion': (number);
  'pictureId': (string);
  'restorationJson': (string);
  'input': (_deqfleet_v1_Location__Output | null);
  'output': (_deqfleet_v1_Location__Output | null);
  'measurement': (_deqfleet_v1_Location__Output | null);
  'mask': (_deqfleet_v1_StoredMask__Output | null);
  'job': (string);
}
