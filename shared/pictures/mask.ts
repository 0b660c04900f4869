/** Inpainting masks from picture files: white is kept, black is missing. */
import { InputError, PictureError } from "../errors.js";
import { decodePictureBytes, type Picture, readInputFile } from "./decode.js";
import type { PictureSize } from "./pad.js";

/** Which pixels of a picture were measured. */
export interface Mask extends PictureSize {
  /** [H * W], 1 where kept, 0 where missing. */
  readonly kept: Uint8Array;
}

/** What ails the file of a mask is no fault of a picture. */
const asMask = (error: unknown): never => {
  if (!(error instanceof PictureError)) throw error;
  throw new InputError(`mask ${error.message}`, { cause: error });
};

/**
 * Reads and decodes a mask, see {@link decodeMask}.
 * @param expected the size the mask must have
 * @throws InputError if the file is no picture, has another size or keeps no pixel at all
 */
export async function readMask(path: string, expected?: PictureSize): Promise<Mask> {
  return decodeMask(await readInputFile(path).catch(asMask), path, expected);
}

/**
 * Decodes the content of a mask's file. A pixel is kept where its gray value (BT.601 luma of the code values) is at least 0.5; transparency is
 * ignored.
 * @param path names the file in errors
 * @param expected the size the mask must have
 * @throws InputError if the file is no picture, has another size or keeps no pixel at all
 */
export async function decodeMask(bytes: Uint8Array, path: string, expected?: PictureSize): Promise<Mask> {
  const picture: Picture = await decodePictureBytes(bytes, path).catch(asMask);
  const { shape, values } = picture;
  const { height, width } = shape;
  if (expected !== undefined && (expected.height !== height || expected.width !== width)) {
    throw new InputError(
      `mask ${path} is ${width}x${height}, the picture ${expected.width}x${expected.height}; give a mask of the picture's size`,
    );
  }
  const area = height * width;
  const kept = new Uint8Array(area);
  for (let i = 0; i < area; i++) {
    // Values are in [-1, 1]: gray 0.5 is 0.
    const gray = 0.299 * values[i]! + 0.587 * values[area + i]! + 0.114 * values[2 * area + i]!;
    kept[i] = gray >= 0 ? 1 : 0;
  }
  if (!kept.includes(1)) {
    throw new InputError(
      `mask ${path} keeps no pixel: white marks what is kept, black what is missing; is it inverted?`,
    );
  }
  return { height, width, kept };
}
