/**
 * Picture files to network input: [3, H, W] in [-1, 1], in sRGB, upright. Pixels are decoded by libvips (sharp), those of small and
 * plain PNG files here, from bytes read here, not by path: libvips caches files by name and would miss that one was rewritten.
 */
import { readFile } from "node:fs/promises";
import sharp, { type SharpOptions } from "sharp";
import { DeqfleetError, PictureError } from "../errors.js";
import type { PictureShape } from "../operators/operator.js";
import { type CurveProfile, convertToSrgb, isSrgb, readCurveProfile } from "./icc-profile.js";
import { isPictureFormat, type PictureFormat } from "./picture-format.js";
import { type PictureHeader, readPngHeader } from "./png-header.js";
import { decodeSmallPng } from "./small-png-decode.js";

/** Pixels (height x width) above which a picture is refused unless the caller allows more: 4096 x 4096. */
export const defaultMaxPixels = 16_777_216;

/** A decoded picture. */
export interface Picture {
  /** Always 3 channels; gray is replicated. */
  readonly shape: PictureShape;
  /** [3, H, W] in [-1, 1]: code / maximum * 2 - 1, at the file's full bit depth. */
  readonly values: Float32Array;
  /** [H, W] in [0, 1], not premultiplied; absent when the file has no transparency. */
  readonly alpha?: Float32Array;
  /** Bits a channel in the file; 1-, 2- and 4-bit files count as 8. */
  readonly bitDepth: 8 | 16;
  /** Whether the file had a single colour channel. */
  readonly gray: boolean;
  readonly format: PictureFormat;
}

interface Header {
  readonly format: PictureFormat;
  readonly bitDepth: 8 | 16;
  readonly gray: boolean;
  /** Present when the colours are converted here, not by libvips. */
  readonly profile: CurveProfile | undefined;
  /** Present when libvips has to convert a 16-bit picture with a lookup-table profile. */
  readonly convertsIn16Bit: boolean;
}

const unreadable = (path: string, reason: string, cause: unknown): PictureError =>
  new PictureError(
    `${path}: ${reason} (${DeqfleetError.messageOf(cause)}); replace the file or leave it out`,
    {
      cause,
    },
  );

/**
 * The bytes of an input file.
 * @throws PictureError naming the file if it cannot be read
 */
export async function readInputFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw unreadable(path, "it cannot be read", cause);
  }
}

const readHeader = async (path: string, bytes: Uint8Array): Promise<PictureHeader> => {
  if (bytes.length === 0) throw new PictureError(`${path}: the file is empty; replace it or leave it out`);
  const png = readPngHeader(bytes);
  if (png) return png;
  try {
    // The limit is checked by the caller, whose message names the size.
    return await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    throw unreadable(path, "not a picture deqfleet can read, or damaged", cause);
  }
};

const checkHeader = (path: string, header: PictureHeader, maxPixels: number): Header => {
  const { format, width, height, depth, channels, hasAlpha, space, icc } = header;
  if (!isPictureFormat(format)) {
    throw new PictureError(`${path}: the content is ${format}; convert it to PNG, JPEG, WebP or TIFF`);
  }
  if (!(width > 0 && height > 0)) {
    throw new PictureError(`${path}: the picture is ${width}x${height} pixels; leave it out`);
  }
  if (width * height > maxPixels) {
    throw new PictureError(
      `${path}: ${width}x${height} is ${width * height} pixels, above the limit of ${maxPixels}; make it smaller or raise --max-pixels`,
    );
  }
  if (depth !== "uchar" && depth !== "ushort") {
    throw new PictureError(
      `${path}: samples of type ${depth} have no agreed range; convert it to 8 or 16 bits a channel`,
    );
  }
  const profile = icc === undefined ? undefined : readCurveProfile(icc);
  const gray = channels - (hasAlpha ? 1 : 0) === 1;
  // A profile for another number of channels (an RGB profile in a gray file) is a mistake of its writer.
  const fits = profile?.curves.length === (gray ? 1 : 3);
  return {
    format,
    bitDepth: depth === "ushort" ? 16 : 8,
    gray,
    profile: fits ? profile : undefined,
    convertsIn16Bit: icc !== undefined && !fits && space === "rgb16",
  };
};

/** Interleaved codes, [H, W, C]. */
interface Samples {
  readonly samples: Uint8Array | Uint16Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Whether the last channel is alpha. */
  readonly transparent: boolean;
}

const readSmall = (bytes: Uint8Array, { format }: Header): Samples | undefined => {
  const read = format === "png" ? decodeSmallPng(bytes) : undefined;
  return read && { ...read, transparent: read.channels % 2 === 0 };
};

const decodeSamples = async (
  path: string,
  bytes: Uint8Array,
  { bitDepth, gray, profile, convertsIn16Bit }: Header,
): Promise<Samples> => {
  // "error" fails on truncated files but lets pass what only draws a warning (stray bytes between JPEG markers, unknown
  // TIFF tags), which cameras write every day.
  const options: SharpOptions = {
    failOn: "error",
    limitInputPixels: false,
    ignoreIcc: profile !== undefined,
  };
  const upright = sharp(bytes, options).autoOrient();
  // libvips takes 16-bit pictures with a profile to Display P3 first; only naming the output profile leads on to sRGB.
  const coloured = convertsIn16Bit ? upright.withIccProfile("srgb") : upright;
  const wide = bitDepth === 16;
  try {
    const { data, info } = await coloured
      // 8-bit gray goes by way of sRGB, which replicates its codes: raw "b-w" output would drop the transparency.
      .toColourspace(wide ? (gray ? "grey16" : "rgb16") : "srgb")
      .raw({ depth: wide ? "ushort" : "uchar" })
      .toBuffer({ resolveWithObject: true });
    const { channels, height, width } = info;
    const samples = wide ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data;
    const colours = wide && gray ? 1 : 3;
    return { samples, channels, height, width, transparent: channels > colours };
  } catch (cause) {
    throw unreadable(path, "the picture is damaged or truncated", cause);
  }
};

/** What is decoded. */
export interface DecodeOptions {
  /** Refused above this many pixels, by the header alone; default {@link defaultMaxPixels}. */
  readonly maxPixels?: number;
}

/**
 * Reads and decodes a file, see {@link decodePictureBytes}.
 * @throws PictureError naming the file if it is unreadable, damaged, truncated, empty or too large
 */
export async function decodePicture(path: string, options: DecodeOptions = {}): Promise<Picture> {
  return decodePictureBytes(await readInputFile(path), path, options);
}

/**
 * Decodes the content of a PNG, JPEG, WebP or TIFF file: EXIF orientation applied, colour profiles and CMYK converted to sRGB,
 * gray replicated, 16 bits kept, transparency apart, the first frame of animations.
 * @param path names the file in errors
 * @throws PictureError naming the file if it is damaged, truncated, empty or too large
 */
export async function decodePictureBytes(
  bytes: Uint8Array,
  path: string,
  { maxPixels = defaultMaxPixels }: DecodeOptions = {},
): Promise<Picture> {
  const header = checkHeader(path, await readHeader(path, bytes), maxPixels);
  const { samples, channels, height, width, transparent } =
    readSmall(bytes, header) ?? (await decodeSamples(path, bytes, header));
  const { format, bitDepth, gray, profile } = header;
  const maximum = bitDepth === 16 ? 65535 : 255;
  const colours = gray ? 1 : 3;
  const area = height * width;
  const values = new Float32Array(3 * area);
  for (let c = 0; c < colours; c++) {
    for (let i = 0; i < area; i++) values[c * area + i] = (samples[i * channels + c]! / maximum) * 2 - 1;
  }
  if (profile !== undefined && !isSrgb(profile)) convertToSrgb(values.subarray(0, colours * area), profile);
  if (gray) values.copyWithin(area, 0, area).copyWithin(2 * area, 0, area);

  const picture = { shape: { channels: 3, height, width }, values, bitDepth, gray, format };
  if (!transparent) return picture;
  const alpha = new Float32Array(area);
  for (let i = 0; i < area; i++) alpha[i] = samples[(i + 1) * channels - 1]! / maximum;
  return { ...picture, alpha };
}
