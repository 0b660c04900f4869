// Original file: proto/deqfleet/v1/fleet.proto


export interface Heard {
}

export interface Heard__Output {
}
