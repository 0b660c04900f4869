// Original file: proto/deqfleet/v1/jobs.proto


export interface ListJobsRequest {
}

export interface ListJobsRequest__Output {
}
