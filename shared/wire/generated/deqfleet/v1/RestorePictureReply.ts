// Original file: proto/deqfleet/v1/picture.proto

import type { RestoredPicture as _deqfleet_v1_RestoredPicture, RestoredPicture__Output as _deqfleet_v1_RestoredPicture__Output } from '../../deqfleet/v1/RestoredPicture.js';
import type { Failure as _deqfleet_v1_Failure, Failure__Output as _deqfleet_v1_Failure__Output } from '../../deqfleet/v1/Failure.js';

export interface RestorePictureReply {
  'restored'?: (_deqfleet_v1_RestoredPicture | null);
  'failure'?: (_deqfleet_v1_Failure | null);
  'outcome'?: "restored"|"failure";
}

export interface RestorePictureReply__Output {
  'restored'?: (_deqfleet_v1_RestoredPicture__Output | null);
  'failure'?: (_deqfleet_v1_Failure__Output | null);
  'outcome'?: "restored"|"failure";
}
