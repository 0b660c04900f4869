// Original file: proto/deqfleet/v1/fleet.proto


export interface ListMembersRequest {
}

export interface ListMembersRequest__Output {
}
