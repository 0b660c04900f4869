// Original file: proto/deqfleet/v1/slice.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { HandshakeReply as _deqfleet_v1_HandshakeReply, HandshakeReply__Output as _deqfleet_v1_HandshakeReply__Output } from '../../deqfleet/v1/HandshakeReply.js';
import type { HandshakeRequest as _deqfleet_v1_HandshakeRequest, HandshakeRequest__Output as _deqfleet_v1_HandshakeRequest__Output } from '../../deqfleet/v1/HandshakeRequest.js';
import type { MeasureCostsReply as _deqfleet_v1_MeasureCostsReply, MeasureCostsReply__Output as _deqfleet_v1_MeasureCostsReply__Output } from '../../deqfleet/v1/MeasureCostsReply.js';
import type { MeasureCostsRequest as _deqfleet_v1_MeasureCostsRequest, MeasureCostsRequest__Output as _deqfleet_v1_MeasureCostsRequest__Output } from '../../deqfleet/v1/MeasureCostsRequest.js';
import type { OpenSliceRequest as _deqfleet_v1_OpenSliceRequest, OpenSliceRequest__Output as _deqfleet_v1_OpenSliceRequest__Output } from '../../deqfleet/v1/OpenSliceRequest.js';
import type { RestorePictureReply as _deqfleet_v1_RestorePictureReply, RestorePictureReply__Output as _deqfleet_v1_RestorePictureReply__Output } from '../../deqfleet/v1/RestorePictureReply.js';
import type { RestorePictureRequest as _deqfleet_v1_RestorePictureRequest, RestorePictureRequest__Output as _deqfleet_v1_RestorePictureRequest__Output } from '../../deqfleet/v1/RestorePictureRequest.js';
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
  
  MeasureCosts(argument: _deqfleet_v1_MeasureCostsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  MeasureCosts(argument: _deqfleet_v1_MeasureCostsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  MeasureCosts(argument: _deqfleet_v1_MeasureCostsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  MeasureCosts(argument: _deqfleet_v1_MeasureCostsRequest, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  measureCosts(argument: _deqfleet_v1_MeasureCostsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  measureCosts(argument: _deqfleet_v1_MeasureCostsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  measureCosts(argument: _deqfleet_v1_MeasureCostsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  measureCosts(argument: _deqfleet_v1_MeasureCostsRequest, callback: grpc.requestCallback<_deqfleet_v1_MeasureCostsReply__Output>): grpc.ClientUnaryCall;
  
  OpenSlice(argument: _deqfleet_v1_OpenSliceRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  OpenSlice(argument: _deqfleet_v1_OpenSliceRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  openSlice(argument: _deqfleet_v1_OpenSliceRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  openSlice(argument: _deqfleet_v1_OpenSliceRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceEvent__Output>;
  
  RestorePicture(argument: _deqfleet_v1_RestorePictureRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  RestorePicture(argument: _deqfleet_v1_RestorePictureRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  RestorePicture(argument: _deqfleet_v1_RestorePictureRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  RestorePicture(argument: _deqfleet_v1_RestorePictureRequest, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  restorePicture(argument: _deqfleet_v1_RestorePictureRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  restorePicture(argument: _deqfleet_v1_RestorePictureRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  restorePicture(argument: _deqfleet_v1_RestorePictureRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  restorePicture(argument: _deqfleet_v1_RestorePictureRequest, callback: grpc.requestCallback<_deqfleet_v1_RestorePictureReply__Output>): grpc.ClientUnaryCall;
  
}

export interface WorkerHandlers extends grpc.UntypedServiceImplementation {
  Handshake: grpc.handleUnaryCall<_deqfleet_v1_HandshakeRequest__Output, _deqfleet_v1_HandshakeReply>;
  
  MeasureCosts: grpc.handleUnaryCall<_deqfleet_v1_MeasureCostsRequest__Output, _deqfleet_v1_MeasureCostsReply>;
  
  OpenSlice: grpc.handleServerStreamingCall<_deqfleet_v1_OpenSliceRequest__Output, _deqfleet_v1_SliceEvent>;
  
  RestorePicture: grpc.handleUnaryCall<_deqfleet_v1_RestorePictureRequest__Output, _deqfleet_v1_RestorePictureReply>;
  
}

export interface WorkerDefinition extends grpc.ServiceDefinition {
  Handshake: MethodDefinition<_deqfleet_v1_HandshakeRequest, _deqfleet_v1_HandshakeReply, _deqfleet_v1_HandshakeRequest__Output, _deqfleet_v1_HandshakeReply__Output>
  MeasureCosts: MethodDefinition<_deqfleet_v1_MeasureCostsRequest, _deqfleet_v1_MeasureCostsReply, _deqfleet_v1_MeasureCostsRequest__Output, _deqfleet_v1_MeasureCostsReply__Output>
  OpenSlice: MethodDefinition<_deqfleet_v1_OpenSliceRequest, _deqfleet_v1_SliceEvent, _deqfleet_v1_OpenSliceRequest__Output, _deqfleet_v1_SliceEvent__Output>
  RestorePicture: MethodDefinition<_deqfleet_v1_RestorePictureRequest, _deqfleet_v1_RestorePictureReply, _deqfleet_v1_RestorePictureRequest__Output, _deqfleet_v1_RestorePictureReply__Output>
}
