// Original file: proto/deqfleet/v1/slice.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { HandshakeReply as _deqfleet_v1_HandshakeReply, HandshakeReply__Output as _deqfleet_v1_HandshakeReply__Output } from '../../deqfleet/v1/HandshakeReply.js';
import type { HandshakeRequest as _deqfleet_v1_HandshakeRequest, HandshakeRequest__Output as _deqfleet_v1_HandshakeRequest__Output } from '../../deqfleet/v1/HandshakeRequest.js';
import type { OpenSliceRequest as _deqfleet_v1_OpenSliceRequest, OpenSliceRequest__Output as _deqfleet_v1_OpenSliceRequest__Output } from '../../deqfleet/v1/OpenSliceRequest.js';
import type { SliceEvent as _deqfleet_v1_SliceEvent, SliceEvent__Output as _deqfleet_v1_SliceEvent__Output } from '../../deqfleet/v1/SliceEvent.js';

export interface WorkerClient extends grpc.Client {
  Handshake(argument: _deqfleet_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _deqfleet_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _deqfleet_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _deqfleet_v1_HandshakeRequest, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  handshake(argument: _deqfleet_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  handshake(argument: _deqfleet_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  handshake(argument: _deqfleet_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  handshake(argument: _deqfleet_v1_HandshakeRequest, callback: grpc.requestCallback<_deqfleet_v1_HandshakeReply__Output>): grpc.ClientUnaryCall;
  
  OpenSlice(argument: _deqfleet_v1_OpenSliceRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  OpenSlice(argument: _deqfleet_v1_OpenSliceRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  openSlice(argument: _deqfleet_v1_OpenSliceRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  openSlice(argument: _deqfleet_v1_OpenSliceRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  
}

export interface WorkerHandlers extends grpc.UntypedServiceImplementation {
  Handshake: grpc.handleUnaryCall<_deqfleet_v1_HandshakeRequest__Output, _deqfleet_v1_HandshakeReply>;
  
  OpenSlice: grpc.handleServerStreamingCall<_deqfleet_v1_OpenSliceRequest__Output, _deqfleet_v1_SliceEvent>;
  
}

export interface WorkerDefinition extends grpc.ServiceDefinition {
  Handshake: MethodDefinition<_deqfleet_v1_HandshakeRequest, _deqfleet_v1_HandshakeReply, _deqfleet_v1_HandshakeRequest__Output, _deqfleet_v1_HandshakeReply__Output>
  OpenSlice: MethodDefinition<_deqfleet_v1_OpenSliceRequest, _deqfleet_v1_SliceEvent, _deqfleet_v1_OpenSliceRequest__Output, _deqfleet_v1_SliceEvent__Output>
}
