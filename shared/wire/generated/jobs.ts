import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { DeleteReply as _deqfleet_v1_DeleteReply, DeleteReply__Output as _deqfleet_v1_DeleteReply__Output } from './deqfleet/v1/DeleteReply.js';
import type { JobRequest as _deqfleet_v1_JobRequest, JobRequest__Output as _deqfleet_v1_JobRequest__Output } from './deqfleet/v1/JobRequest.js';
import type { JobSpec as _deqfleet_v1_JobSpec, JobSpec__Output as _deqfleet_v1_JobSpec__Output } from './deqfleet/v1/JobSpec.js';
import type { JobStatus as _deqfleet_v1_JobStatus, JobStatus__Output as _deqfleet_v1_JobStatus__Output } from './deqfleet/v1/JobStatus.js';
import type { JobsClient as _deqfleet_v1_JobsClient, JobsDefinition as _deqfleet_v1_JobsDefinition } from './deqfleet/v1/Jobs.js';
import type { ListJobsReply as _deqfleet_v1_ListJobsReply, ListJobsReply__Output as _deqfleet_v1_ListJobsReply__Output } from './deqfleet/v1/ListJobsReply.js';
import type { ListJobsRequest as _deqfleet_v1_ListJobsRequest, ListJobsRequest__Output as _deqfleet_v1_ListJobsRequest__Output } from './deqfleet/v1/ListJobsRequest.js';
import type { OutcomeCounts as _deqfleet_v1_OutcomeCounts, OutcomeCounts__Output as _deqfleet_v1_OutcomeCounts__Output } from './deqfleet/v1/OutcomeCounts.js';
import type { ResultsChunk as _deqfleet_v1_ResultsChunk, ResultsChunk__Output as _deqfleet_v1_ResultsChunk__Output } from './deqfleet/v1/ResultsChunk.js';
import type { RetryRequest as _deqfleet_v1_RetryRequest, RetryRequest__Output as _deqfleet_v1_RetryRequest__Output } from './deqfleet/v1/RetryRequest.js';
import type { RunningItem as _deqfleet_v1_RunningItem, RunningItem__Output as _deqfleet_v1_RunningItem__Output } from './deqfleet/v1/RunningItem.js';
import type { SubmitReply as _deqfleet_v1_SubmitReply, SubmitReply__Output as _deqfleet_v1_SubmitReply__Output } from './deqfleet/v1/SubmitReply.js';
import type { SubmitRequest as _deqfleet_v1_SubmitRequest, SubmitRequest__Output as _deqfleet_v1_SubmitRequest__Output } from './deqfleet/v1/SubmitRequest.js';
import type { WatchRequest as _deqfleet_v1_WatchRequest, WatchRequest__Output as _deqfleet_v1_WatchRequest__Output } from './deqfleet/v1/WatchRequest.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  deqfleet: {
    v1: {
      DeleteReply: MessageTypeDefinition<_deqfleet_v1_DeleteReply, _deqfleet_v1_DeleteReply__Output>
      JobRequest: MessageTypeDefinition<_deqfleet_v1_JobRequest, _deqfleet_v1_JobRequest__Output>
      JobSpec: MessageTypeDefinition<_deqfleet_v1_JobSpec, _deqfleet_v1_JobSpec__Output>
      JobStatus: MessageTypeDefinition<_deqfleet_v1_JobStatus, _deqfleet_v1_JobStatus__Output>
      Jobs: SubtypeConstructor<typeof grpc.Client, _deqfleet_v1_JobsClient> & { service: _deqfleet_v1_JobsDefinition }
      ListJobsReply: MessageTypeDefinition<_deqfleet_v1_ListJobsReply, _deqfleet_v1_ListJobsReply__Output>
      ListJobsRequest: MessageTypeDefinition<_deqfleet_v1_ListJobsRequest, _deqfleet_v1_ListJobsRequest__Output>
      OutcomeCounts: MessageTypeDefinition<_deqfleet_v1_OutcomeCounts, _deqfleet_v1_OutcomeCounts__Output>
      ResultsChunk: MessageTypeDefinition<_deqfleet_v1_ResultsChunk, _deqfleet_v1_ResultsChunk__Output>
      RetryRequest: MessageTypeDefinition<_deqfleet_v1_RetryRequest, _deqfleet_v1_RetryRequest__Output>
      RunningItem: MessageTypeDefinition<_deqfleet_v1_RunningItem, _deqfleet_v1_RunningItem__Output>
      SubmitReply: MessageTypeDefinition<_deqfleet_v1_SubmitReply, _deqfleet_v1_SubmitReply__Output>
      SubmitRequest: MessageTypeDefinition<_deqfleet_v1_SubmitRequest, _deqfleet_v1_SubmitRequest__Output>
      WatchRequest: MessageTypeDefinition<_deqfleet_v1_WatchRequest, _deqfleet_v1_WatchRequest__Output>
    }
  }
}

