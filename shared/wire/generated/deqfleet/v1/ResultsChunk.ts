// Original file: proto/deqfleet/v1/jobs.proto


export interface ResultsChunk {
  'jsonLines'?: (string);
}

export interface ResultsChunk__Output {
  'jsonLines': (string);
}
