/**
 * From an input file to a chain: decoded, padded to its canvas and, in a simulation, degraded.
 *
 * Padding happens in the domain of the measurement (the small picture for super-resolution), by reflection; a simulation
 * pads the clean picture instead and degrades the canvas. Gray pictures are restored as RGB: the prior knows colour
 * pictures only.
 */
import sharp from "sharp";
import type { ChainSpec } from "../chain/slice-host.js";
import { PictureError } from "../errors.js";
import type { Restoration } from "../jobs/job.js";
import { canvasMultiple, type PictureSize, taskSchema } from "../operators/task.js";
import { decodePictureBytes, type Picture } from "../pictures/decode.js";
import { decodeMeasurement } from "../pictures/measurement-file.js";
import { padReflect } from "../pictures/pad.js";
import { isMeasurementPath } from "../pictures/picture-format.js";
import type { CanvasOperator, CanvasOperators } from "./canvas.js";

/** An input as it was read. */
export interface PictureInput {
  /** Its path: errors name it, and its extension tells measurements from pictures. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Identifies the picture in its dataset, and by it the noise its chain starts from. */
  readonly pictureId: string;
}

/** A picture ready to be restored. */
export interface PreparedPicture {
  readonly chain: ChainSpec;
  readonly canvas: CanvasOperator;
  /** y on the canvas. */
  readonly measurement: Float32Array;
  /** Size of the restored picture, at the top left of the canvas. */
  readonly size: PictureSize;
  /** The clean picture of a simulation, [3, H, W], unpadded. */
  readonly original: Float32Array | undefined;
  /** [H, W] of the restored picture in [0, 1]. */
  readonly alpha: Float32Array | undefined;
  readonly bitDepth: 8 | 16;
}

/** A picture without its chain. */
export type MeasuredPicture = Omit<PreparedPicture, "chain">;

/** `alpha` at `scale` times its size. */
async function enlargeAlpha(alpha: Float32Array, size: PictureSize, scale: number): Promise<Float32Array> {
  const codes = Uint16Array.from(alpha, (a) => Math.round(a * 65535));
  const { data } = await sharp(codes, { raw: { ...size, channels: 1 }, limitInputPixels: false })
    .toColourspace("grey16")
    .resize({ width: size.width * scale, height: size.height * scale, fit: "fill", kernel: "cubic" })
    .raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true });
  return Float32Array.from(
    new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2),
    (v) => v / 65535,
  );
}

/** Degrades a clean picture. */
function simulate(picture: Picture, settings: Restoration, operators: CanvasOperators): MeasuredPicture {
  const { shape, values, alpha, bitDepth } = picture;
  const size = { height: shape.height, width: shape.width };
  const multiple = canvasMultiple(settings.task);
  if (size.height % multiple !== 0 || size.width % multiple !== 0) {
    throw new PictureError(
      `the picture is ${size.width}x${size.height}, which --scale ${multiple} does not divide; crop it to multiples of ${multiple} or choose another --scale`,
    );
  }
  const canvas = operators.for(size);
  const measurement = canvas.operator.apply(padReflect(values, shape, canvas.canvas));
  return { canvas, measurement, size, original: values, alpha, bitDepth };
}

/** Takes a picture as the measurement. */
async function takeAsMeasurement(
  { shape, values, alpha, bitDepth }: Picture,
  { task, maxPixels }: Restoration,
  operators: CanvasOperators,
): Promise<MeasuredPicture> {
  const given = { height: shape.height, width: shape.width };
  const scale = canvasMultiple(task);
  const size = { height: given.height * scale, width: given.width * scale };
  if (size.height * size.width > maxPixels) {
    throw new PictureError(
      `restored, the picture would have ${size.width}x${size.height} = ${size.height * size.width} pixels, above the limit of ${maxPixels}; make it smaller or raise --max-pixels`,
    );
  }
  const canvas = operators.for(size);
  const { operator } = canvas;
  const padded = padReflect(values, shape, {
    height: canvas.canvas.height / scale,
    width: canvas.canvas.width / scale,
  });
  // Missing pixels hold anything, and gray pictures come with three channels: A takes from both what was measured. A
  // colour picture given for colorization counts as its weighted channel mean.
  const derived = task.task === "inpaint" || task.task === "colorize";
  const measurement = derived ? operator.apply(padded) : padded;
  const enlarged = alpha && scale > 1 ? await enlargeAlpha(alpha, given, scale) : alpha;
  return { canvas, measurement, size, original: undefined, alpha: enlarged, bitDepth };
}

const parseSettings = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Decodes a measurement that is no picture; it must have been made with the settings of the run. */
function takeAsSensed(
  { path, bytes }: PictureInput,
  { task, maxPixels }: Restoration,
  operators: CanvasOperators,
): MeasuredPicture {
  const { settings, measurement, picture: size, values } = decodeMeasurement(bytes, path);
  const recorded = taskSchema.safeParse(parseSettings(settings));
  if (recorded.data?.task !== "cs-hadamard" || task.task !== "cs-hadamard") {
    throw new PictureError(
      `the measurement was not made with task ${task.task}: its settings are ${settings}`,
    );
  }
  for (const name of ["ratio", "permutationSeed"] as const) {
    if (recorded.data[name] !== task[name]) {
      const flag = name === "ratio" ? "--ratio" : "--permutation-seed";
      throw new PictureError(
        `it was measured with ${flag} ${recorded.data[name]}, but the run's is ${task[name]}; restore it with ${flag} ${recorded.data[name]}`,
      );
    }
  }
  if (size.height * size.width > maxPixels) {
    throw new PictureError(
      `it measures a picture of ${size.width}x${size.height} pixels, above the limit of ${maxPixels}; raise --max-pixels`,
    );
  }
  const canvas = operators.for(size);
  const expected = canvas.operator.measurement;
  if (measurement.channels !== expected.channels || values.length !== expected.channels * expected.width) {
    throw new PictureError(
      `y has ${values.length} values in ${measurement.channels} channels, but its settings call for ${expected.channels} x ${expected.width}; measure the picture again`,
    );
  }
  return { canvas, measurement: values, size, original: undefined, alpha: undefined, bitDepth: 8 };
}

async function measure(
  input: PictureInput,
  settings: Restoration,
  operators: CanvasOperators,
): Promise<MeasuredPicture> {
  if (isMeasurementPath(input.path)) return takeAsSensed(input, settings, operators);
  if (settings.task.task === "cs-hadamard" && !settings.simulate) {
    throw new PictureError(
      "cs-hadamard restores .safetensors measurements; add --simulate to measure a picture first",
    );
  }
  const picture = await decodePictureBytes(input.bytes, input.path, { maxPixels: settings.maxPixels });
  return settings.simulate
    ? simulate(picture, settings, operators)
    : takeAsMeasurement(picture, settings, operators);
}

/**
 * Decodes an input and makes its chain.
 * @throws PictureError naming the file if it is damaged or its size does not suit the run
 */
export async function preparePicture(
  input: PictureInput,
  settings: Restoration,
  operators: CanvasOperators,
): Promise<PreparedPicture> {
  const named = (message: string) => (message.startsWith(input.path) ? message : `${input.path}: ${message}`);
  let measured: MeasuredPicture;
  try {
    measured = await measure(input, settings, operators);
  } catch (cause) {
    if (!(cause instanceof PictureError)) throw cause;
    throw new PictureError(named(cause.message), { cause });
  }
  const { seed, steps, start, spacing, etw, nw, method, task } = settings;
  const { canvas, measurement } = measured;
  const chain: ChainSpec = {
    pictureId: input.pictureId,
    seed,
    schedule: { steps, start, spacing },
    weights: { etw, nw },
    method,
    task,
    canvas: canvas.canvas,
    mask: canvas.mask,
    pseudoInverse: canvas.operator.pseudoInverse(measurement),
  };
  return { ...measured, chain };
}
