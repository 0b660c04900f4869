// Original file: proto/deqfleet/v1/tensor.proto

import type { DType as _deqfleet_v1_DType, DType__Output as _deqfleet_v1_DType__Output } from '../../deqfleet/v1/DType.js';
import type { Long } from '@grpc/proto-loader';

export interface Tensor {
  'dtype'?: (_deqfleet_v1_DType);
  'shape'?: (number)[];
  'crc32'?: (number);
  'data'?: (Buffer | Uint8Array | string);
  'lane'?: (number | string | Long);
  'behind'?: (boolean);
}

export interface Tensor__Output {
  'dtype': (_deqfleet_v1_DType__Output);
  'shape': (number)[];
  'crc32': (number);
  'data': (Buffer);
  'lane': (number);
  'behind': (boolean);
}
