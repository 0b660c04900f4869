// Original file: proto/deqfleet/v1/slice.proto


export interface HandshakeReply {
  'protocolVersion'?: (number);
  'version'?: (string);
  'modelHash'?: (string);
  'sizeMultiple'?: (number);
  'fixedHeight'?: (number);
  'fixedWidth'?: (number);
  'device'?: (string);
  'threads'?: (number);
  'pid'?: (number);
  'instance'?: (string);
}

export interface HandshakeReply__Output {
  'protocolVersion': (number);
  'version': (string);
  'modelHash': (string);
  'sizeMultiple': (number);
  'fixedHeight': (number);
  'fixedWidth': (number);
  'device': (string);
  'threads': (number);
  'pid': (number);
  'instance': (string);
}
