// Original file: proto/deqfleet/v1/slice.proto


export interface RecutDone {
}

export interface RecutDone__Output {
}
