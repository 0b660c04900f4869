// Original file: proto/deqfleet/v1/fleet.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListMembersReply as _deqfleet_v1_ListMembersReply, ListMembersReply__Output as _deqfleet_v1_ListMembersReply__Output } from '../../deqfleet/v1/ListMembersReply.js';
import type { ListMembersRequest as _deqfleet_v1_ListMembersRequest, ListMembersRequest__Output as _deqfleet_v1_ListMembersRequest__Output } from '../../deqfleet/v1/ListMembersRequest.js';
import type { RegistryOrder as _deqfleet_v1_RegistryOrder, RegistryOrder__Output as _deqfleet_v1_RegistryOrder__Output } from '../../deqfleet/v1/RegistryOrder.js';
import type { WorkerState as _deqfleet_v1_WorkerState, WorkerState__Output as _deqfleet_v1_WorkerState__Output } from '../../deqfleet/v1/WorkerState.js';

export interface RegistryClient extends grpc.Client {
  Join(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_deqfleet_v1_WorkerState, _deqfleet_v1_RegistryOrder__Output>;
  Join(options?: grpc.CallOptions): grpc.ClientDuplexStream<_deqfleet_v1_WorkerState, _deqfleet_v1_RegistryOrder__Output>;
  join(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_deqfleet_v1_WorkerState, _deqfleet_v1_RegistryOrder__Output>;
  join(options?: grpc.CallOptions): grpc.ClientDuplexStream<_deqfleet_v1_WorkerState, _deqfleet_v1_RegistryOrder__Output>;
  
  ListMembers(argument: _deqfleet_v1_ListMembersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  ListMembers(argument: _deqfleet_v1_ListMembersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  ListMembers(argument: _deqfleet_v1_ListMembersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  ListMembers(argument: _deqfleet_v1_ListMembersRequest, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  listMembers(argument: _deqfleet_v1_ListMembersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  listMembers(argument: _deqfleet_v1_ListMembersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  listMembers(argument: _deqfleet_v1_ListMembersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  listMembers(argument: _deqfleet_v1_ListMembersRequest, callback: grpc.requestCallback<_deqfleet_v1_ListMembersReply__Output>): grpc.ClientUnaryCall;
  
}

export interface RegistryHandlers extends grpc.UntypedServiceImplementation {
  Join: grpc.handleBidiStreamingCall<_deqfleet_v1_WorkerState__Output, _deqfleet_v1_RegistryOrder>;
  
  ListMembers: grpc.handleUnaryCall<_deqfleet_v1_ListMembersRequest__Output, _deqfleet_v1_ListMembersReply>;
  
}

export interface RegistryDefinition extends grpc.ServiceDefinition {
  Join: MethodDefinition<_deqfleet_v1_WorkerState, _deqfleet_v1_RegistryOrder, _deqfleet_v1_WorkerState__Output, _deqfleet_v1_RegistryOrder__Output>
  ListMembers: MethodDefinition<_deqfleet_v1_ListMembersRequest, _deqfleet_v1_ListMembersReply, _deqfleet_v1_ListMembersRequest__Output, _deqfleet_v1_ListMembersReply__Output>
}
