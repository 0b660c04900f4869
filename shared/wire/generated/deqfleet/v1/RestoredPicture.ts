// Original file: proto/deqfleet/v1/picture.proto


export interface RestoredPicture {
  'sha256'?: (string);
  'evaluations'?: (number);
  'consistency'?: (number | string);
  'psnr'?: (number | string);
  'ssim'?: (number | string);
  'networkSeconds'?: (number | string);
  'totalSeconds'?: (number | string);
  'canvasHeight'?: (number);
  'canvasWidth'?: (number);
  '_consistency'?: "consistency";
  '_psnr'?: "psnr";
  '_ssim'?: "ssim";
}

export interface RestoredPicture__Output {
  'sha256': (string);
  'evaluations': (number);
  'consistency'?: (number);
  'psnr'?: (number);
  'ssim'?: (number);
  'networkSeconds': (number);
  'totalSeconds': (number);
  'canvasHeight': (number);
  'canvasWidth': (number);
  '_consistency'?: "consistency";
  '_psnr'?: "psnr";
  '_ssim'?: "ssim";
}
