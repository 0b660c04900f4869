// Original file: proto/deqfleet/v1/fleet.proto

import type { CostPoint as _deqfleet_v1_CostPoint, CostPoint__Output as _deqfleet_v1_CostPoint__Output } from '../../deqfleet/v1/CostPoint.js';

export interface Registration {
  'protocolVersion'?: (number);
  'version'?: (string);
  'name'?: (string);
  'instance'?: (string);
  'address'?: (string);
  'modelHash'?: (string);
  'batchPictures'?: (number);
  'batchPixels'?: (number);
  'costs'?: (_deqfleet_v1_CostPoint)[];
}

export interface Registration__Output {
  'protocolVersion': (number);
  'version': (string);
  'name': (string);
  'instance': (string);
  'address': (string);
  'modelHash': (string);
  'batchPictures': (number);
  'batchPixels': (number);
  'costs': (_deqfleet_v1_CostPoint__Output)[];
}
