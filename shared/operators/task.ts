/** The restoration tasks: their settings as the user writes them, and the operator each stands for. */
import { z } from "zod";
import { InputError } from "../errors.js";
import { bicubic } from "./bicubic.js";
import { blockMean } from "./block-mean.js";
import { exactBlur } from "./blur.js";
import { blurTasks } from "./blur-kernels.js";
import { channelMean } from "./channel-mean.js";
import { deqirBlur } from "./deqir-blur.js";
import type { DegradationOperator, PictureShape } from "./operator.js";
import { type PixelMask, pixelMask } from "./pixel-mask.js";
import { seededPermutation } from "./seeded-permutation.js";
import { walshHadamardSensing } from "./walsh-hadamard.js";

/** Pixels of a block's side. */
const scale = z.int().min(2).default(4);

/** The settings of a task. */
export const taskSchema = z.discriminatedUnion("task", [
  z.strictObject({ task: z.literal("sr-average"), scale }),
  z.strictObject({ task: z.literal("sr-bicubic"), scale }),
  z.strictObject({ task: z.literal("inpaint") }),
  z.strictObject({ task: z.literal("colorize") }),
  z.strictObject({
    task: z.literal(blurTasks),
    /** `exact`: the true blur. `deqir`: the reference's, with its quirks, to reproduce its numbers. */
    blurForm: z.enum(["exact", "deqir"]).default("exact"),
  }),
  z.strictObject({
    task: z.literal("cs-hadamard"),
    /** Measurements a pixel. */
    ratio: z.number().gt(0).max(1).default(0.5),
    /** Seed of the choice of coordinates, see {@link seededPermutation}. */
    permutationSeed: z.int().min(0).max(0xffff_ffff).default(0),
  }),
]);

/** The settings of a task, defaults filled in. */
export type TaskSettings = z.infer<typeof taskSchema>;

/** The names of all tasks. */
export const taskNames = [
  "sr-average",
  "sr-bicubic",
  "inpaint",
  "colorize",
  ...blurTasks,
  "cs-hadamard",
] as const satisfies readonly TaskSettings["task"][];

/** What some operators need beside their settings. */
export interface OperatorExtras {
  /** Needed by `inpaint`. */
  readonly mask?: PixelMask | undefined;
  /** `cs-hadamard`: a permutation of 0 .. H W - 1 instead of the seeded one, to match a recorded measurement. */
  readonly permutation?: Uint32Array | undefined;
  /** Deblurring with `blurForm: "deqir"`: the sort order a recorded run had, see {@link deqirBlur}. */
  readonly sortOrder?: Uint32Array | undefined;
}

/** Height and width in pixels. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
}

/** The number that must divide height and width of the pictures a task works on. */
export function canvasMultiple(settings: TaskSettings): number {
  return settings.task === "sr-average" || settings.task === "sr-bicubic" ? settings.scale : 1;
}

const isPowerOfTwo = (n: number) => Number.isInteger(Math.log2(n));

function checkSize(settings: TaskSettings, { height, width }: PictureSize): void {
  if (![height, width].every((n) => Number.isInteger(n) && n > 0)) {
    throw new InputError(
      `${settings.task}: a picture of ${height}x${width} (HxW) cannot be: give whole pixels`,
    );
  }
  const multiple = canvasMultiple(settings);
  if (height % multiple !== 0 || width % multiple !== 0) {
    throw new InputError(
      `${settings.task}: scale ${multiple} does not divide the picture size ${height}x${width} (HxW): crop or pad the picture to multiples of ${multiple}, or choose another scale`,
    );
  }
  if (settings.task === "cs-hadamard" && !(isPowerOfTwo(height) && isPowerOfTwo(width))) {
    throw new InputError(
      `cs-hadamard: height and width must be powers of two, the picture is ${height}x${width} (HxW): crop or pad it`,
    );
  }
}

function checkMask(mask: PixelMask | undefined, { height, width }: PictureSize): PixelMask {
  if (mask === undefined) {
    throw new InputError("inpaint: no mask: give one of the picture's size that marks the known pixels");
  }
  if (mask.height !== height || mask.width !== width) {
    throw new InputError(
      `inpaint: the mask is ${mask.height}x${mask.width} (HxW), the picture ${height}x${width}: give a mask of the picture's size`,
    );
  }
  if (mask.kept.length !== height * width) {
    throw new InputError(
      `inpaint: the mask has ${mask.kept.length} values, but ${height}x${width} needs ${height * width}`,
    );
  }
  if (mask.kept.every((k) => k === 0)) {
    throw new InputError(
      "inpaint: the mask keeps no pixel, so nothing is known of the picture: mark the known pixels with 1 (is it inverted?)",
    );
  }
  return mask;
}

function checkPermutation(permutation: Uint32Array, area: number): Uint32Array {
  if (
    permutation.length !== area ||
    new Set(permutation).size !== area ||
    permutation.some((p) => p >= area)
  ) {
    throw new InputError(
      `cs-hadamard: the ${permutation.length} entries given are no permutation of 0 .. ${area - 1}: name every coordinate once`,
    );
  }
  return permutation;
}

function createSensing(
  settings: Extract<TaskSettings, { task: "cs-hadamard" }>,
  picture: PictureShape,
  given: Uint32Array | undefined,
): DegradationOperator {
  const area = picture.height * picture.width;
  const m = Math.floor(area * settings.ratio);
  if (m === 0) {
    throw new InputError(
      `cs-hadamard: ratio ${settings.ratio} of ${area} pixels is less than one measurement: raise the ratio to at least ${1 / area}`,
    );
  }
  const permutation = given
    ? checkPermutation(given, area)
    : seededPermutation(area, settings.permutationSeed);
  return walshHadamardSensing(picture, permutation, m);
}

/**
 * The degradation operator of a task for pictures [3, height, width].
 * @throws InputError if the size does not suit the task, or the mask, permutation or sort order is missing or wrong
 */
export function createOperator(
  settings: TaskSettings,
  size: PictureSize,
  extras: OperatorExtras = {},
): DegradationOperator {
  checkSize(settings, size);
  const picture: PictureShape = { channels: 3, height: size.height, width: size.width };
  switch (settings.task) {
    case "sr-average":
      return blockMean(picture, settings.scale);
    case "sr-bicubic":
      return bicubic(picture, settings.scale);
    case "inpaint":
      return pixelMask(picture, checkMask(extras.mask, size));
    case "colorize":
      return channelMean(picture);
    case "deblur-gauss":
    case "deblur-uniform":
    case "deblur-aniso":
      return settings.blurForm === "exact"
        ? exactBlur(picture, settings.task)
        : deqirBlur(picture, settings.task, extras.sortOrder);
    case "cs-hadamard":
      return createSensing(settings, picture, extras.permutation);
  }
}
