// Original file: proto/deqfleet/v1/jobs.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DeleteReply as _deqfleet_v1_DeleteReply, DeleteReply__Output as _deqfleet_v1_DeleteReply__Output } from '../../deqfleet/v1/DeleteReply.js';
import type { JobRequest as _deqfleet_v1_JobRequest, JobRequest__Output as _deqfleet_v1_JobRequest__Output } from '../../deqfleet/v1/JobRequest.js';
import type { JobStatus as _deqfleet_v1_JobStatus, JobStatus__Output as _deqfleet_v1_JobStatus__Output } from '../../deqfleet/v1/JobStatus.js';
import type { ListJobsReply as _deqfleet_v1_ListJobsReply, ListJobsReply__Output as _deqfleet_v1_ListJobsReply__Output } from '../../deqfleet/v1/ListJobsReply.js';
import type { ListJobsRequest as _deqfleet_v1_ListJobsRequest, ListJobsRequest__Output as _deqfleet_v1_ListJobsRequest__Output } from '../../deqfleet/v1/ListJobsRequest.js';
import type { ResultsChunk as _deqfleet_v1_ResultsChunk, ResultsChunk__Output as _deqfleet_v1_ResultsChunk__Output } from '../../deqfleet/v1/ResultsChunk.js';
import type { RetryRequest as _deqfleet_v1_RetryRequest, RetryRequest__Output as _deqfleet_v1_RetryRequest__Output } from '../../deqfleet/v1/RetryRequest.js';
import type { SubmitReply as _deqfleet_v1_SubmitReply, SubmitReply__Output as _deqfleet_v1_SubmitReply__Output } from '../../deqfleet/v1/SubmitReply.js';
import type { SubmitRequest as _deqfleet_v1_SubmitRequest, SubmitRequest__Output as _deqfleet_v1_SubmitRequest__Output } from '../../deqfleet/v1/SubmitRequest.js';
import type { WatchRequest as _deqfleet_v1_WatchRequest, WatchRequest__Output as _deqfleet_v1_WatchRequest__Output } from '../../deqfleet/v1/WatchRequest.js';

export interface JobsClient extends grpc.Client {
  Cancel(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _deqfleet_v1_JobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _deqfleet_v1_JobRequest, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  cancel(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  cancel(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  cancel(argument: _deqfleet_v1_JobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  cancel(argument: _deqfleet_v1_JobRequest, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  
  Delete(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  Delete(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  Delete(argument: _deqfleet_v1_JobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  Delete(argument: _deqfleet_v1_JobRequest, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  delete(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  delete(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  delete(argument: _deqfleet_v1_JobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  delete(argument: _deqfleet_v1_JobRequest, callback: grpc.requestCallback<_deqfleet_v1_DeleteReply__Output>): grpc.ClientUnaryCall;
  
  Get(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Get(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Get(argument: _deqfleet_v1_JobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Get(argument: _deqfleet_v1_JobRequest, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  get(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  get(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  get(argument: _deqfleet_v1_JobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  get(argument: _deqfleet_v1_JobRequest, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  
  List(argument: _deqfleet_v1_ListJobsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  List(argument: _deqfleet_v1_ListJobsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  List(argument: _deqfleet_v1_ListJobsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  List(argument: _deqfleet_v1_ListJobsRequest, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  list(argument: _deqfleet_v1_ListJobsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  list(argument: _deqfleet_v1_ListJobsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  list(argument: _deqfleet_v1_ListJobsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  list(argument: _deqfleet_v1_ListJobsRequest, callback: grpc.requestCallback<_deqfleet_v1_ListJobsReply__Output>): grpc.ClientUnaryCall;
  
  Results(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_ResultsChunk__Output>;
  Results(argument: _deqfleet_v1_JobRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_ResultsChunk__Output>;
  results(argument: _deqfleet_v1_JobRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_ResultsChunk__Output>;
  results(argument: _deqfleet_v1_JobRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_ResultsChunk__Output>;
  
  Retry(argument: _deqfleet_v1_RetryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Retry(argument: _deqfleet_v1_RetryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Retry(argument: _deqfleet_v1_RetryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  Retry(argument: _deqfleet_v1_RetryRequest, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  retry(argument: _deqfleet_v1_RetryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  retry(argument: _deqfleet_v1_RetryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  retry(argument: _deqfleet_v1_RetryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  retry(argument: _deqfleet_v1_RetryRequest, callback: grpc.requestCallback<_deqfleet_v1_JobStatus__Output>): grpc.ClientUnaryCall;
  
  Submit(argument: _deqfleet_v1_SubmitRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  Submit(argument: _deqfleet_v1_SubmitRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  Submit(argument: _deqfleet_v1_SubmitRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  Submit(argument: _deqfleet_v1_SubmitRequest, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  submit(argument: _deqfleet_v1_SubmitRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  submit(argument: _deqfleet_v1_SubmitRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  submit(argument: _deqfleet_v1_SubmitRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  submit(argument: _deqfleet_v1_SubmitRequest, callback: grpc.requestCallback<_deqfleet_v1_SubmitReply__Output>): grpc.ClientUnaryCall;
  
  Watch(argument: _deqfleet_v1_WatchRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_JobStatus__Output>;
  Watch(argument: _deqfleet_v1_WatchRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_JobStatus__Output>;
  watch(argument: _deqfleet_v1_WatchRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_JobStatus__Output>;
  watch(argument: _deqfleet_v1_WatchRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_deqfleet_v1_JobStatus__Output>;
  
}

export interface JobsHandlers extends grpc.UntypedServiceImplementation {
  Cancel: grpc.handleUnaryCall<_deqfleet_v1_JobRequest__Output, _deqfleet_v1_JobStatus>;
  
  Delete: grpc.handleUnaryCall<_deqfleet_v1_JobRequest__Output, _deqfleet_v1_DeleteReply>;
  
  Get: grpc.handleUnaryCall<_deqfleet_v1_JobRequest__Output, _deqfleet_v1_JobStatus>;
  
  List: grpc.handleUnaryCall<_deqfleet_v1_ListJobsRequest__Output, _deqfleet_v1_ListJobsReply>;
  
  Results: grpc.handleServerStreamingCall<_deqfleet_v1_JobRequest__Output, _deqfleet_v1_ResultsChunk>;
  
  Retry: grpc.handleUnaryCall<_deqfleet_v1_RetryRequest__Output, _deqfleet_v1_JobStatus>;
  
  Submit: grpc.handleUnaryCall<_deqfleet_v1_SubmitRequest__Output, _deqfleet_v1_SubmitReply>;
  
  Watch: grpc.handleServerStreamingCall<_deqfleet_v1_WatchRequest__Output, _deqfleet_v1_JobStatus>;
  
}

export interface JobsDefinition extends grpc.ServiceDefinition {
  Cancel: MethodDefinition<_deqfleet_v1_JobRequest, _deqfleet_v1_JobStatus, _deqfleet_v1_JobRequest__Output, _deqfleet_v1_JobStatus__Output>
  Delete: MethodDefinition<_deqfleet_v1_JobRequest, _deqfleet_v1_DeleteReply, _deqfleet_v1_JobRequest__Output, _deqfleet_v1_DeleteReply__Output>
  Get: MethodDefinition<_deqfleet_v1_JobRequest, _deqfleet_v1_JobStatus, _deqfleet_v1_JobRequest__Output, _deqfleet_v1_JobStatus__Output>
  List: MethodDefinition<_deqfleet_v1_ListJobsRequest, _deqfleet_v1_ListJobsReply, _deqfleet_v1_ListJobsRequest__Output, _deqfleet_v1_ListJobsReply__Output>
  Results: MethodDefinition<_deqfleet_v1_JobRequest, _deqfleet_v1_ResultsChunk, _deqfleet_v1_JobRequest__Output, _deqfleet_v1_ResultsChunk__Output>
  Retry: MethodDefinition<_deqfleet_v1_RetryRequest, _deqfleet_v1_JobStatus, _deqfleet_v1_RetryRequest__Output, _deqfleet_v1_JobStatus__Output>
  Submit: MethodDefinition<_deqfleet_v1_SubmitRequest, _deqfleet_v1_SubmitReply, _deqfleet_v1_SubmitRequest__Output, _deqfleet_v1_SubmitReply__Output>
  Watch: MethodDefinition<_deqfleet_v1_WatchRequest, _deqfleet_v1_JobStatus, _deqfleet_v1_WatchRequest__Output, _deqfleet_v1_JobStatus__Output>
}
