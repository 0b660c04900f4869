import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Accepted as _deqfleet_v1_Accepted, Accepted__Output as _deqfleet_v1_Accepted__Output } from './deqfleet/v1/Accepted.js';
import type { CostPoint as _deqfleet_v1_CostPoint, CostPoint__Output as _deqfleet_v1_CostPoint__Output } from './deqfleet/v1/CostPoint.js';
import type { Heard as _deqfleet_v1_Heard, Heard__Output as _deqfleet_v1_Heard__Output } from './deqfleet/v1/Heard.js';
import type { Heartbeat as _deqfleet_v1_Heartbeat, Heartbeat__Output as _deqfleet_v1_Heartbeat__Output } from './deqfleet/v1/Heartbeat.js';
import type { ListMembersReply as _deqfleet_v1_ListMembersReply, ListMembersReply__Output as _deqfleet_v1_ListMembersReply__Output } from './deqfleet/v1/ListMembersReply.js';
import type { ListMembersRequest as _deqfleet_v1_ListMembersRequest, ListMembersRequest__Output as _deqfleet_v1_ListMembersRequest__Output } from './deqfleet/v1/ListMembersRequest.js';
import type { Member as _deqfleet_v1_Member, Member__Output as _deqfleet_v1_Member__Output } from './deqfleet/v1/Member.js';
import type { Refused as _deqfleet_v1_Refused, Refused__Output as _deqfleet_v1_Refused__Output } from './deqfleet/v1/Refused.js';
import type { Registration as _deqfleet_v1_Registration, Registration__Output as _deqfleet_v1_Registration__Output } from './deqfleet/v1/Registration.js';
import type { RegistryClient as _deqfleet_v1_RegistryClient, RegistryDefinition as _deqfleet_v1_RegistryDefinition } from './deqfleet/v1/Registry.js';
import type { RegistryOrder as _deqfleet_v1_RegistryOrder, RegistryOrder__Output as _deqfleet_v1_RegistryOrder__Output } from './deqfleet/v1/RegistryOrder.js';
import type { WorkerState as _deqfleet_v1_WorkerState, WorkerState__Output as _deqfleet_v1_WorkerState__Output } from './deqfleet/v1/WorkerState.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  deqfleet: {
    v1: {
      Accepted: MessageTypeDefinition<_deqfleet_v1_Accepted, _deqfleet_v1_Accepted__Output>
      CostPoint: MessageTypeDefinition<_deqfleet_v1_CostPoint, _deqfleet_v1_CostPoint__Output>
      Heard: MessageTypeDefinition<_deqfleet_v1_Heard, _deqfleet_v1_Heard__Output>
      Heartbeat: MessageTypeDefinition<_deqfleet_v1_Heartbeat, _deqfleet_v1_Heartbeat__Output>
      ListMembersReply: MessageTypeDefinition<_deqfleet_v1_ListMembersReply, _deqfleet_v1_ListMembersReply__Output>
      ListMembersRequest: MessageTypeDefinition<_deqfleet_v1_ListMembersRequest, _deqfleet_v1_ListMembersRequest__Output>
      Member: MessageTypeDefinition<_deqfleet_v1_Member, _deqfleet_v1_Member__Output>
      Refused: MessageTypeDefinition<_deqfleet_v1_Refused, _deqfleet_v1_Refused__Output>
      Registration: MessageTypeDefinition<_deqfleet_v1_Registration, _deqfleet_v1_Registration__Output>
      Registry: SubtypeConstructor<typeof grpc.Client, _deqfleet_v1_RegistryClient> & { service: _deqfleet_v1_RegistryDefinition }
      RegistryOrder: MessageTypeDefinition<_deqfleet_v1_RegistryOrder, _deqfleet_v1_RegistryOrder__Output>
      WorkerState: MessageTypeDefinition<_deqfleet_v1_WorkerState, _deqfleet_v1_WorkerState__Output>
    }
  }
}

