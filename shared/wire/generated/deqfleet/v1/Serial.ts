// Original file: proto/deqfleet/v1/slice.proto


export interface Serial {
}

export interface Serial__Output {
}
