// Original file: proto/deqfleet/v1/jobs.proto


export interface DeleteReply {
}

export interface DeleteReply__Output {
}
