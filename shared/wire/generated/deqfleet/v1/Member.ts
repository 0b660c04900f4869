// Original file: proto/deqfleet/v1/fleet.proto

import type { CostPoint as _deqfleet_v1_CostPoint, CostPoint__Output as _deqfleet_v1_CostPoint__Output } from '../../deqfleet/v1/CostPoint.js';
import type { Long } from '@grpc/proto-loader';

export interface Member {
  'name'?: (string);
  'state'?: (string);
  'address'?: (string);
  'device'?: (string);
  'threads'?: (number);
  'pid'?: (number);
  'version'?: (string);
  'modelHash'?: (string);
  'pictures'?: (number);
  'slices'?: (number);
  'costs'?: (_deqfleet_v1_CostPoint)[];
  'joinedAt'?: (number | string | Long);
}

export interface Member__Output {
  'name': (string);
  'state': (string);
  'address': (string);
  'device': (string);
  'threads': (number);
  'pid': (number);
  'version': (string);
  'modelHash': (string);
  'pictures': (number);
  'slices': (number);
  'costs': (_deqfleet_v1_CostPoint__Output)[];
  'joinedAt': (number);
}
