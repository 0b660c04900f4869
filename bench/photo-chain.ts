/** Chains that restore the sample photographs, for benchmarks and for tests: one per task, reproducible to the byte. */
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import type { MethodName } from "../shared/chain/method.js";
import type { ChainSpec } from "../shared/chain/slice-host.js";
import { normalDeviates } from "../shared/diffusion/addressable-noise.js";
import type { DegradationOperator } from "../shared/operators/operator.js";
import { createOperator, type TaskSettings } from "../shared/operators/task.js";
import { packageRoot } from "../shared/package-root.js";

/** The sample photographs. */
export const photoNames = ["astronaut", "chelsea", "coffee", "rocket"] as const;
export type PhotoName = (typeof photoNames)[number];

/** The eight tasks with their default settings. */
export const photoTasks = [
  { task: "sr-average", scale: 4 },
  { task: "sr-bicubic", scale: 4 },
  { task: "inpaint" },
  { task: "colorize" },
  { task: "deblur-gauss", blurForm: "exact" },
  { task: "deblur-uniform", blurForm: "exact" },
  { task: "deblur-aniso", blurForm: "exact" },
  { task: "cs-hadamard", ratio: 0.5, permutationSeed: 0 },
] as const satisfies readonly TaskSettings[];

/** A sample photograph scaled to size x size, [3, size, size] in [-1, 1]. */
export async function loadPhoto(photo: PhotoName, size: number): Promise<Float32Array> {
  const path = fileURLToPath(new URL(`photos/${photo}.png`, packageRoot));
  const interleaved = await sharp(path).resize(size, size, { fit: "fill" }).removeAlpha().raw().toBuffer();
  const area = size * size;
  return Float32Array.from(
    { length: 3 * area },
    (_, i) => interleaved[3 * (i % area) + Math.floor(i / area)] / 127.5 - 1,
  );
}

/**
 * An inpainting mask [size * size], 1 where kept: a third of each side is missing in the middle, and lines of random
 * 3 x 5 glyphs run across the rest. 25 to 35 % of the pixels are missing.
 */
export function writtenOverMask(size: number): Uint8Array {
  const dot = Math.max(1, Math.round(size / 64));
  const strokes = normalDeviates({ seed: 0, pictureId: "mask", stream: 0 }, 4096);
  const block = (at: number) => at >= size / 3 && at < (2 * size) / 3;
  return Uint8Array.from({ length: size * size }, (_, p) => {
    const [row, column] = [Math.floor(p / size), p % size];
    if (block(row) && block(column)) return 0;
    // A glyph every 4 dots, a line every 8: the gaps between glyphs and lines stay known.
    const [line, y] = [Math.floor(row / (8 * dot)), Math.floor(row / dot) % 8];
    const [glyph, x] = [Math.floor(column / (4 * dot)), Math.floor(column / dot) % 4];
    if (x === 3 || y >= 5) return 1;
    const stroke = strokes[((line * 61 + glyph) * 15 + y * 3 + x) % strokes.length];
    return stroke < 0 ? 0 : 1;
  });
}

/** A photograph as a task degrades it: what its chains have in common. */
export interface MeasuredPhoto {
  readonly photo: PhotoName;
  readonly task: TaskSettings;
  readonly canvas: ChainSpec["canvas"];
  readonly mask: Uint8Array | undefined;
  /** A^+ y, [3, size, size]. */
  readonly pseudoInverse: Float32Array;
  readonly operator: DegradationOperator;
}

/** Degrades a photograph scaled to size x size, without noise. */
export async function measurePhoto(
  photo: PhotoName,
  size: number,
  task: TaskSettings,
): Promise<MeasuredPhoto> {
  const canvas = { height: size, width: size };
  const mask = task.task === "inpaint" ? writtenOverMask(size) : undefined;
  const operator = createOperator(task, canvas, mask && { mask: { ...canvas, kept: mask } });
  const pseudoInverse = operator.pseudoInverse(operator.apply(await loadPhoto(photo, size)));

  return { photo, task, canvas, mask, pseudoInverse, operator };
}

/** The chain that restores a photograph. Uniform steps, no fresh noise. */
export function photoChain(measured: MeasuredPhoto, method: MethodName, steps: number, seed = 0): ChainSpec {
  const { photo, task, canvas, mask, pseudoInverse } = measured;
  return {
    pictureId: `${photo}.png`,
    seed,
    schedule: { steps, start: 1000, spacing: "uniform" },
    weights: { etw: 0, nw: 0 },
    method,
    task,
    canvas,
    mask,
    pseudoInverse,
  };
}

const toUnit = (value: number): number => Math.min(Math.max((value + 1) / 2, 0), 1);

/** PSNR of two pictures in [-1, 1] as they would be saved: on [0, 1], clamped. dB; Infinity for equal pictures. */
export function clampedPsnr(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (toUnit(a[i]) - toUnit(b[i])) ** 2;
  return sum === 0 ? Number.POSITIVE_INFINITY : -10 * Math.log10(sum / a.length);
}
