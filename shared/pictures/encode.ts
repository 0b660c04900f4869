/** Network output to the content of picture files: [-1, 1] values rounded to codes, encoded by libvips or, small PNG files, here. */
import sharp, { type Sharp } from "sharp";
import { DeqfleetError, InputError, PictureError } from "../errors.js";
import type { PictureShape } from "../operators/operator.js";
import {
  formatOfPath,
  isMeasurementPath,
  measurementExtension,
  type PictureFormat,
  pictureExtensions,
} from "./picture-format.js";
import { isSmallPng } from "./png-format.js";
import { encodeSmallPng } from "./small-png-encode.js";

/** How a picture is encoded. */
export interface EncodeOptions {
  /** Bits a channel. 16 is kept in PNG and TIFF; JPEG and WebP hold 8. */
  readonly bitDepth: 8 | 16;
  /** [H, W] in [0, 1], not premultiplied; left out in JPEG, which has no transparency. */
  readonly alpha?: Float32Array | undefined;
  /** The file it is for: its extension decides the format, and errors name it. */
  readonly path: string;
}

/**
 * The output's path for an input's: name and format are kept, a measurement's `.safetensors` becomes `.png`.
 * @param relativePath path under the output folder
 */
export function outputName(relativePath: string): string {
  return isMeasurementPath(relativePath)
    ? `${relativePath.slice(0, -measurementExtension.length)}.png`
    : relativePath;
}

const compressed = (image: Sharp, format: PictureFormat): Sharp => {
  switch (format) {
    case "png":
      return image.png();
    case "jpeg":
      return image.jpeg({ quality: 95, chromaSubsampling: "4:4:4" });
    case "webp":
      // exact: colours under full transparency are pixels too.
      return image.webp({ lossless: true, exact: true });
    case "tiff":
      return image.tiff({ compression: "deflate", predictor: "horizontal" });
  }
};

const checkValues = (values: Float32Array, shape: PictureShape, { alpha, path }: EncodeOptions): void => {
  const { channels, height, width } = shape;
  if ((channels !== 1 && channels !== 3) || values.length !== channels * height * width) {
    throw new InputError(
      `${path}: cannot encode ${values.length} values as [${channels}, ${height}, ${width}]; give 1 or 3 channels of height x width`,
    );
  }
  if (alpha !== undefined && alpha.length !== height * width) {
    throw new InputError(`${path}: alpha has ${alpha.length} values, the picture ${height * width} pixels`);
  }
  // A loop: calling a function for each value takes as long as writing a small picture's codes.
  let bad = 0;
  while (bad < values.length && Number.isFinite(values[bad])) bad++;
  if (bad < values.length) {
    throw new PictureError(
      `${path}: value ${bad} of the restored picture is ${values[bad]}; restore it again with other settings`,
    );
  }
};

/** Clamped and rounded to the nearest code, interleaved: [H, W, C (+ 1 with alpha)]. */
const toCodes = (
  values: Float32Array,
  { channels, height, width }: PictureShape,
  alpha: Float32Array | undefined,
  maximum: number,
): Uint8Array | Uint16Array => {
  const area = height * width;
  const stride = channels + (alpha === undefined ? 0 : 1);
  const codes = maximum > 255 ? new Uint16Array(area * stride) : new Uint8Array(area * stride);
  const code = (unit: number): number => Math.floor(Math.min(Math.max(unit, 0), 1) * maximum + 0.5);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < channels; c++) codes[i * stride + c] = code((values[c * area + i]! + 1) / 2);
    if (alpha !== undefined) codes[i * stride + channels] = code(alpha[i]!);
  }
  return codes;
};

/**
 * Encodes [3, H, W] or [1, H, W] values in [-1, 1] (clamped; (v + 1) / 2 * maximum rounded to nearest). PNG, WebP and TIFF are
 * lossless; JPEG has quality 95 without chroma subsampling.
 * @returns the file's content
 * @throws InputError if the extension is no picture's or the values do not fit `shape`
 * @throws PictureError if a value is not finite or the format cannot hold the size (JPEG 65535, WebP 16383 pixels a side)
 */
export async function encodePicture(
  values: Float32Array,
  shape: PictureShape,
  options: EncodeOptions,
): Promise<Uint8Array> {
  const { bitDepth, path } = options;
  const format = formatOfPath(path);
  if (format === undefined) {
    throw new InputError(`${path}: no picture format; use one of ${pictureExtensions.join(" ")}`);
  }
  checkValues(values, shape, options);
  const wide = bitDepth === 16 && (format === "png" || format === "tiff");
  const alpha = format === "jpeg" ? undefined : options.alpha;
  const codes = toCodes(values, shape, alpha, wide ? 65535 : 255);
  const { channels, height, width } = shape;
  const stride = channels === 1 ? (alpha === undefined ? 1 : 2) : alpha === undefined ? 3 : 4;
  if (format === "png" && isSmallPng(codes.byteLength)) {
    return encodeSmallPng({ height, width, channels: stride, codes });
  }
  const space = channels === 1 ? (wide ? "grey16" : "b-w") : wide ? "rgb16" : "srgb";
  const raw = { height, width, channels: stride } as const;
  try {
    return await compressed(
      sharp(codes, { raw, limitInputPixels: false }).toColourspace(space),
      format,
    ).toBuffer();
  } catch (cause) {
    throw new PictureError(
      `${path}: a ${width}x${height} picture cannot be encoded as ${format} (${DeqfleetError.messageOf(cause)}); write PNG or TIFF instead`,
      { cause },
    );
  }
}
