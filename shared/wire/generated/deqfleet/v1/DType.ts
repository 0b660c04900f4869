// Original file: proto/deqfleet/v1/tensor.proto

export const DType = {
  DTYPE_UNSPECIFIED: 'DTYPE_UNSPECIFIED',
  DTYPE_FLOAT32: 'DTYPE_FLOAT32',
  DTYPE_UINT8: 'DTYPE_UINT8',
} as const;

export type DType =
  | 'DTYPE_UNSPECIFIED'
  | 0
  | 'DTYPE_FLOAT32'
  | 1
  | 'DTYPE_UINT8'
  | 2

export type DType__Output = typeof DType[keyof typeof DType]
