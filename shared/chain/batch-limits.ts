/** How many pictures a network call may hold. */
import type { PictureSize } from "../operators/task.js";

/** Limits of one network call; a picture larger than `pixels` is evaluated alone. */
export interface BatchLimits {
  /** Pictures, 1 or more. */
  readonly pictures: number;
  /** Pixels of all pictures together, 1 or more. */
  readonly pixels: number;
}

/** No network call holds more, whatever the batch asked for: more buys nothing on a CPU and costs memory. */
export const largestCallPixels = 4 * 256 * 256;

/**
 * Where the user leaves it open. On one core a batch of four saves a sixth of the time at 32x32 and a twentieth at 64x64;
 * above that the activations of several pictures no longer fit in the cache, and a batch costs time (7 % at 128x128).
 */
const defaultLimits: BatchLimits = { pictures: 4, pixels: 4 * 64 * 64 };

/**
 * Pixels of the states that a round evaluates in one call on a CPU. They are all there anyway, but the same holds of them: a call of
 * more pixels takes longer than several.
 */
export const cpuRoundPixels = defaultLimits.pixels;

/**
 * The limits for `--batch`.
 * @param pictures as given by the user, or null for the default
 */
export const batchLimits = (pictures: number | null): BatchLimits =>
  pictures === null ? defaultLimits : { pictures, pixels: largestCallPixels };

/** Pictures of one size that a call holds. */
export const picturesPerCall = ({ pictures, pixels }: BatchLimits, { height, width }: PictureSize): number =>
  Math.max(1, Math.min(pictures, Math.floor(pixels / (height * width))));
