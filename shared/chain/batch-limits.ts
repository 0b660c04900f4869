/** How many pictures a network call may hold. */
import type { Device } from "../onnx/session.js";
import type { PictureSize } from "../operators/task.js";

/** Limits of one network call; a picture larger than `pixels` is evaluated alone. */
export interface BatchLimits {
  /** Pictures, 1 or more. */
  readonly pictures: number;
  /** Pixels of all pictures together, 1 or more. */
  readonly pixels: number;
}

/** No network call on a CPU holds more, whatever the batch asked for: more buys nothing and costs memory. */
export const largestCallPixels = 4 * 256 * 256;

/** No network call on a GPU holds more. An H100 gains nothing by more than 16 states of 256x256 in a call (docs/benchmarks.md). */
export const gpuCallPixels = 32 * 256 * 256;

/**
 * Where the user leaves it open. On one core a batch of four saves a sixth of the time at 32x32 and a twentieth at 64x64;
 * above that the activations of several pictures no longer fit in the cache, and a batch costs time (7 % at 128x128).
 */
const cpuLimits: BatchLimits = { pictures: 4, pixels: 4 * 64 * 64 };

/** A GPU takes next to no longer for 16 states of 64x64 than for one (an H100: 7.6 ms and 4.7), and 5 times as long for 16 of 256x256. */
const gpuLimits: BatchLimits = { pictures: 16, pixels: 16 * 256 * 256 };

/**
 * Pixels of the states that a round evaluates in one call on a CPU. They are all there anyway, but the same holds of them: a call of
 * more pixels takes longer than several.
 */
export const cpuRoundPixels = cpuLimits.pixels;

/**
 * The limits for `--batch` on workers of the given devices; of a processor, if that is among them.
 * @param pictures as given by the user, or null for the default
 */
export function batchLimits(pictures: number | null, devices: readonly Device[] = ["cpu"]): BatchLimits {
  const onProcessor = devices.includes("cpu");
  if (pictures === null) return onProcessor ? cpuLimits : gpuLimits;
  return { pictures, pixels: onProcessor ? largestCallPixels : gpuCallPixels };
}

/** Pictures of one size that a call holds. */
export const picturesPerCall = ({ pictures, pixels }: BatchLimits, { height, width }: PictureSize): number =>
  Math.max(1, Math.min(pictures, Math.floor(pixels / (height * width))));
