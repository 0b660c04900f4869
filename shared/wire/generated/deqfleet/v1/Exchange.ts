// Original file: proto/deqfleet/v1/slice.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { FollowSliceRequest as _deqfleet_v1_FollowSliceRequest, FollowSliceRequest__Output as _deqfleet_v1_FollowSliceRequest__Output } from '../../deqfleet/v1/FollowSliceRequest.js';
import type { SliceCommand as _deqfleet_v1_SliceCommand, SliceCommand__Output as _deqfleet_v1_SliceCommand__Output } from '../../deqfleet/v1/SliceCommand.js';

export interface ExchangeClient extends grpc.Client {
  FollowSlice(argument: _deqfleet_v1_FollowSliceRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceCommand__Output>;
  FollowSlice(argument: _deqfleet_v1_FollowSliceRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceCommand__Output>;
  followSlice(argument: _deqfleet_v1_FollowSliceRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceCommand__Output>;
  followSlice(argument: _deqfleet_v1_FollowSliceRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_SliceCommand__Output>;
  
}

export interface ExchangeHandlers extends grpc.UntypedServiceImplementation {
  FollowSlice: grpc.handleServerStreamingCall<_deqfleet_v1_FollowSliceRequest__Output, _deqfleet_v1_SliceCommand>;
  
}

export interface ExchangeDefinition extends grpc.ServiceDefinition {
  FollowSlice: MethodDefinition<_deqfleet_v1_FollowSliceRequest, _deqfleet_v1_SliceCommand, _deqfleet_v1_FollowSliceRequest__Output, _deqfleet_v1_SliceCommand__Output>
}
