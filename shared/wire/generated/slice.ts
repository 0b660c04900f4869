import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Accepted as _deqfleet_v1_Accepted, Accepted__Output as _deqfleet_v1_Accepted__Output } from './deqfleet/v1/Accepted.js';
import type { Chain as _deqfleet_v1_Chain, Chain__Output as _deqfleet_v1_Chain__Output } from './deqfleet/v1/Chain.js';
import type { Chunk as _deqfleet_v1_Chunk, Chunk__Output as _deqfleet_v1_Chunk__Output } from './deqfleet/v1/Chunk.js';
import type { CostPoint as _deqfleet_v1_CostPoint, CostPoint__Output as _deqfleet_v1_CostPoint__Output } from './deqfleet/v1/CostPoint.js';
import type { ExchangeClient as _deqfleet_v1_ExchangeClient, ExchangeDefinition as _deqfleet_v1_ExchangeDefinition } from './deqfleet/v1/Exchange.js';
import type { Failure as _deqfleet_v1_Failure, Failure__Output as _deqfleet_v1_Failure__Output } from './deqfleet/v1/Failure.js';
import type { FollowSliceRequest as _deqfleet_v1_FollowSliceRequest, FollowSliceRequest__Output as _deqfleet_v1_FollowSliceRequest__Output } from './deqfleet/v1/FollowSliceRequest.js';
import type { Given as _deqfleet_v1_Given, Given__Output as _deqfleet_v1_Given__Output } from './deqfleet/v1/Given.js';
import type { HandshakeReply as _deqfleet_v1_HandshakeReply, HandshakeReply__Output as _deqfleet_v1_HandshakeReply__Output } from './deqfleet/v1/HandshakeReply.js';
import type { HandshakeRequest as _deqfleet_v1_HandshakeRequest, HandshakeRequest__Output as _deqfleet_v1_HandshakeRequest__Output } from './deqfleet/v1/HandshakeRequest.js';
import type { Heard as _deqfleet_v1_Heard, Heard__Output as _deqfleet_v1_Heard__Output } from './deqfleet/v1/Heard.js';
import type { Heartbeat as _deqfleet_v1_Heartbeat, Heartbeat__Output as _deqfleet_v1_Heartbeat__Output } from './deqfleet/v1/Heartbeat.js';
import type { ListMembersReply as _deqfleet_v1_ListMembersReply, ListMembersReply__Output as _deqfleet_v1_ListMembersReply__Output } from './deqfleet/v1/ListMembersReply.js';
import type { ListMembersRequest as _deqfleet_v1_ListMembersRequest, ListMembersRequest__Output as _deqfleet_v1_ListMembersRequest__Output } from './deqfleet/v1/ListMembersRequest.js';
import type { Location as _deqfleet_v1_Location, Location__Output as _deqfleet_v1_Location__Output } from './deqfleet/v1/Location.js';
import type { MeasureCostsReply as _deqfleet_v1_MeasureCostsReply, MeasureCostsReply__Output as _deqfleet_v1_MeasureCostsReply__Output } from './deqfleet/v1/MeasureCostsReply.js';
import type { MeasureCostsRequest as _deqfleet_v1_MeasureCostsRequest, MeasureCostsRequest__Output as _deqfleet_v1_MeasureCostsRequest__Output } from './deqfleet/v1/MeasureCostsRequest.js';
import type { Member as _deqfleet_v1_Member, Member__Output as _deqfleet_v1_Member__Output } from './deqfleet/v1/Member.js';
import type { MovedRun as _deqfleet_v1_MovedRun, MovedRun__Output as _deqfleet_v1_MovedRun__Output } from './deqfleet/v1/MovedRun.js';
import type { OpenSliceRequest as _deqfleet_v1_OpenSliceRequest, OpenSliceRequest__Output as _deqfleet_v1_OpenSliceRequest__Output } from './deqfleet/v1/OpenSliceRequest.js';
import type { Opened as _deqfleet_v1_Opened, Opened__Output as _deqfleet_v1_Opened__Output } from './deqfleet/v1/Opened.js';
import type { ReadState as _deqfleet_v1_ReadState, ReadState__Output as _deqfleet_v1_ReadState__Output } from './deqfleet/v1/ReadState.js';
import type { Recut as _deqfleet_v1_Recut, Recut__Output as _deqfleet_v1_Recut__Output } from './deqfleet/v1/Recut.js';
import type { RecutDone as _deqfleet_v1_RecutDone, RecutDone__Output as _deqfleet_v1_RecutDone__Output } from './deqfleet/v1/RecutDone.js';
import type { Refused as _deqfleet_v1_Refused, Refused__Output as _deqfleet_v1_Refused__Output } from './deqfleet/v1/Refused.js';
import type { Registration as _deqfleet_v1_Registration, Registration__Output as _deqfleet_v1_Registration__Output } from './deqfleet/v1/Registration.js';
import type { RegistryClient as _deqfleet_v1_RegistryClient, RegistryDefinition as _deqfleet_v1_RegistryDefinition } from './deqfleet/v1/Registry.js';
import type { RegistryOrder as _deqfleet_v1_RegistryOrder, RegistryOrder__Output as _deqfleet_v1_RegistryOrder__Output } from './deqfleet/v1/RegistryOrder.js';
import type { RestorePictureReply as _deqfleet_v1_RestorePictureReply, RestorePictureReply__Output as _deqfleet_v1_RestorePictureReply__Output } from './deqfleet/v1/RestorePictureReply.js';
import type { RestorePictureRequest as _deqfleet_v1_RestorePictureRequest, RestorePictureRequest__Output as _deqfleet_v1_RestorePictureRequest__Output } from './deqfleet/v1/RestorePictureRequest.js';
import type { RestoredPicture as _deqfleet_v1_RestoredPicture, RestoredPicture__Output as _deqfleet_v1_RestoredPicture__Output } from './deqfleet/v1/RestoredPicture.js';
import type { Round as _deqfleet_v1_Round, Round__Output as _deqfleet_v1_Round__Output } from './deqfleet/v1/Round.js';
import type { RoundReport as _deqfleet_v1_RoundReport, RoundReport__Output as _deqfleet_v1_RoundReport__Output } from './deqfleet/v1/RoundReport.js';
import type { Seconds as _deqfleet_v1_Seconds, Seconds__Output as _deqfleet_v1_Seconds__Output } from './deqfleet/v1/Seconds.js';
import type { Serial as _deqfleet_v1_Serial, Serial__Output as _deqfleet_v1_Serial__Output } from './deqfleet/v1/Serial.js';
import type { SerialReport as _deqfleet_v1_SerialReport, SerialReport__Output as _deqfleet_v1_SerialReport__Output } from './deqfleet/v1/SerialReport.js';
import type { Setup as _deqfleet_v1_Setup, Setup__Output as _deqfleet_v1_Setup__Output } from './deqfleet/v1/Setup.js';
import type { SliceCommand as _deqfleet_v1_SliceCommand, SliceCommand__Output as _deqfleet_v1_SliceCommand__Output } from './deqfleet/v1/SliceCommand.js';
import type { SliceEvent as _deqfleet_v1_SliceEvent, SliceEvent__Output as _deqfleet_v1_SliceEvent__Output } from './deqfleet/v1/SliceEvent.js';
import type { StepRun as _deqfleet_v1_StepRun, StepRun__Output as _deqfleet_v1_StepRun__Output } from './deqfleet/v1/StepRun.js';
import type { StoredMask as _deqfleet_v1_StoredMask, StoredMask__Output as _deqfleet_v1_StoredMask__Output } from './deqfleet/v1/StoredMask.js';
import type { Tensor as _deqfleet_v1_Tensor, Tensor__Output as _deqfleet_v1_Tensor__Output } from './deqfleet/v1/Tensor.js';
import type { WorkerClient as _deqfleet_v1_WorkerClient, WorkerDefinition as _deqfleet_v1_WorkerDefinition } from './deqfleet/v1/Worker.js';
import type { WorkerState as _deqfleet_v1_WorkerState, WorkerState__Output as _deqfleet_v1_WorkerState__Output } from './deqfleet/v1/WorkerState.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  deqfleet: {
    v1: {
      Accepted: MessageTypeDefinition<_deqfleet_v1_Accepted, _deqfleet_v1_Accepted__Output>
      Chain: MessageTypeDefinition<_deqfleet_v1_Chain, _deqfleet_v1_Chain__Output>
      Chunk: MessageTypeDefinition<_deqfleet_v1_Chunk, _deqfleet_v1_Chunk__Output>
      CostPoint: MessageTypeDefinition<_deqfleet_v1_CostPoint, _deqfleet_v1_CostPoint__Output>
      DType: EnumTypeDefinition
      Exchange: SubtypeConstructor<typeof grpc.Client, _deqfleet_v1_ExchangeClient> & { service: _deqfleet_v1_ExchangeDefinition }
      Failure: MessageTypeDefinition<_deqfleet_v1_Failure, _deqfleet_v1_Failure__Output>
      FollowSliceRequest: MessageTypeDefinition<_deqfleet_v1_FollowSliceRequest, _deqfleet_v1_FollowSliceRequest__Output>
      Given: MessageTypeDefinition<_deqfleet_v1_Given, _deqfleet_v1_Given__Output>
      HandshakeReply: MessageTypeDefinition<_deqfleet_v1_HandshakeReply, _deqfleet_v1_HandshakeReply__Output>
      HandshakeRequest: MessageTypeDefinition<_deqfleet_v1_HandshakeRequest, _deqfleet_v1_HandshakeRequest__Output>
      Heard: MessageTypeDefinition<_deqfleet_v1_Heard, _deqfleet_v1_Heard__Output>
      Heartbeat: MessageTypeDefinition<_deqfleet_v1_Heartbeat, _deqfleet_v1_Heartbeat__Output>
      ListMembersReply: MessageTypeDefinition<_deqfleet_v1_ListMembersReply, _deqfleet_v1_ListMembersReply__Output>
      ListMembersRequest: MessageTypeDefinition<_deqfleet_v1_ListMembersRequest, _deqfleet_v1_ListMembersRequest__Output>
      Location: MessageTypeDefinition<_deqfleet_v1_Location, _deqfleet_v1_Location__Output>
      MeasureCostsReply: MessageTypeDefinition<_deqfleet_v1_MeasureCostsReply, _deqfleet_v1_MeasureCostsReply__Output>
      MeasureCostsRequest: MessageTypeDefinition<_deqfleet_v1_MeasureCostsRequest, _deqfleet_v1_MeasureCostsRequest__Output>
      Member: MessageTypeDefinition<_deqfleet_v1_Member, _deqfleet_v1_Member__Output>
      MovedRun: MessageTypeDefinition<_deqfleet_v1_MovedRun, _deqfleet_v1_MovedRun__Output>
      OpenSliceRequest: MessageTypeDefinition<_deqfleet_v1_OpenSliceRequest, _deqfleet_v1_OpenSliceRequest__Output>
      Opened: MessageTypeDefinition<_deqfleet_v1_Opened, _deqfleet_v1_Opened__Output>
      ReadState: MessageTypeDefinition<_deqfleet_v1_ReadState, _deqfleet_v1_ReadState__Output>
      Recut: MessageTypeDefinition<_deqfleet_v1_Recut, _deqfleet_v1_Recut__Output>
      RecutDone: MessageTypeDefinition<_deqfleet_v1_RecutDone, _deqfleet_v1_RecutDone__Output>
      Refused: MessageTypeDefinition<_deqfleet_v1_Refused, _deqfleet_v1_Refused__Output>
      Registration: MessageTypeDefinition<_deqfleet_v1_Registration, _deqfleet_v1_Registration__Output>
      Registry: SubtypeConstructor<typeof grpc.Client, _deqfleet_v1_RegistryClient> & { service: _deqfleet_v1_RegistryDefinition }
      RegistryOrder: MessageTypeDefinition<_deqfleet_v1_RegistryOrder, _deqfleet_v1_RegistryOrder__Output>
      RestorePictureReply: MessageTypeDefinition<_deqfleet_v1_RestorePictureReply, _deqfleet_v1_RestorePictureReply__Output>
      RestorePictureRequest: MessageTypeDefinition<_deqfleet_v1_RestorePictureRequest, _deqfleet_v1_RestorePictureRequest__Output>
      RestoredPicture: MessageTypeDefinition<_deqfleet_v1_RestoredPicture, _deqfleet_v1_RestoredPicture__Output>
      Round: MessageTypeDefinition<_deqfleet_v1_Round, _deqfleet_v1_Round__Output>
      RoundReport: MessageTypeDefinition<_deqfleet_v1_RoundReport, _deqfleet_v1_RoundReport__Output>
      Seconds: MessageTypeDefinition<_deqfleet_v1_Seconds, _deqfleet_v1_Seconds__Output>
      Serial: MessageTypeDefinition<_deqfleet_v1_Serial, _deqfleet_v1_Serial__Output>
      SerialReport: MessageTypeDefinition<_deqfleet_v1_SerialReport, _deqfleet_v1_SerialReport__Output>
      Setup: MessageTypeDefinition<_deqfleet_v1_Setup, _deqfleet_v1_Setup__Output>
      SliceCommand: MessageTypeDefinition<_deqfleet_v1_SliceCommand, _deqfleet_v1_SliceCommand__Output>
      SliceEvent: MessageTypeDefinition<_deqfleet_v1_SliceEvent, _deqfleet_v1_SliceEvent__Output>
      StepRun: MessageTypeDefinition<_deqfleet_v1_StepRun, _deqfleet_v1_StepRun__Output>
      StoredMask: MessageTypeDefinition<_deqfleet_v1_StoredMask, _deqfleet_v1_StoredMask__Output>
      Tensor: MessageTypeDefinition<_deqfleet_v1_Tensor, _deqfleet_v1_Tensor__Output>
      Worker: SubtypeConstructor<typeof grpc.Client, _deqfleet_v1_WorkerClient> & { service: _deqfleet_v1_WorkerDefinition }
      WorkerState: MessageTypeDefinition<_deqfleet_v1_WorkerState, _deqfleet_v1_WorkerState__Output>
    }
  }
}

