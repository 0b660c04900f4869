// Original file: proto/deqfleet/v1/slice.proto


// Original file: proto/deqfleet/v1/slice.proto

export const _deqfleet_v1_ReadState_Which = {
  WHICH_UNSPECIFIED: 'WHICH_UNSPECIFIED',
  WHICH_ENTRY: 'WHICH_ENTRY',
  WHICH_EXIT: 'WHICH_EXIT',
} as const;

export type _deqfleet_v1_ReadState_Which =
  | 'WHICH_UNSPECIFIED'
  | 0
  | 'WHICH_ENTRY'
  | 1
  | 'WHICH_EXIT'
  | 2

export type _deqfleet_v1_ReadState_Which__Output = typeof _deqfleet_v1_ReadState_Which[keyof typeof _deqfleet_v1_ReadState_Which]

export interface ReadState {
  'which'?: (_deqfleet_v1_ReadState_Which);
}

export interface ReadState__Output {
  'which': (_deqfleet_v1_ReadState_Which__Output);
}
