// Original file: proto/deqfleet/v1/slice.proto

import type { Chain as _deqfleet_v1_Chain, Chain__Output as _deqfleet_v1_Chain__Output } from '../../deqfleet/v1/Chain.js';

export interface OpenSliceRequest {
  'protocolVersion'?: (number);
  'exchangeAddress'?: (string);
  'token'?: (string);
  'chain'?: (_deqfleet_v1_Chain | null);
  'begin'?: (number);
  'end'?: (number);
  'lane'?: (string);
  'laneSocket'?: (string);
  'roundAddress'?: (string);
}

export interface OpenSliceRequest__Output {
  'protocolVersion': (number);
  'exchangeAddress': (string);
  'token': (string);
  'chain': (_deqfleet_v1_Chain__Output | null);
  'begin': (number);
  'end': (number);
  'lane': (string);
  'laneSocket': (string);
  'roundAddress': (string);
}
