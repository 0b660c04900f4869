// Original file: proto/deqfleet/v1/slice.proto


export interface HandshakeRequest {
  'protocolVersion'?: (number);
}

export interface HandshakeRequest__Output {
  'protocolVersion': (number);
}
