// Original file: proto/deqfleet/v1/slice.proto


export interface Opened {
}

export interface Opened__Output {
}
