// Original file: proto/deqfleet/v1/slice.proto

import type { Long } from '@grpc/proto-loader';

export interface Chain {
  'pictureId'?: (string);
  'seed'?: (number | string | Long);
  'steps'?: (number);
  'start'?: (number);
  'spacing'?: (string);
  'etw'?: (number | string);
  'nw'?: (number | string);
  'method'?: (string);
  'taskJson'?: (string);
  'height'?: (number);
  'width'?: (number);
}

export interface Chain__Output {
  'pictureId': (string);
  'seed': (number);
  'steps': (number);
  'start': (number);
  'spacing': (string);
  'etw': (number);
  'nw': (number);
  'method': (string);
  'taskJson': (string);
  'height': (number);
  'width': (number);
}
