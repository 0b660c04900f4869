/**
 * Measurements that are no picture (compressed sensing) as safetensors files: one tensor `y` and, as metadata, the task, the
 * size of the picture that was measured and the settings of the operator.
 */
import { DeqfleetError, InputError, PictureError } from "../errors.js";
import type { PictureShape } from "../operators/operator.js";
import { decodeSafetensors, encodeSafetensors, float32Tensor } from "../safetensors.js";
import type { PictureSize } from "./pad.js";

/** A measurement y = A x + n and what is needed to build A again. */
export interface Measurement {
  /** The task's name, e.g. `cs-hadamard`. */
  readonly task: string;
  /** y, laid out as `measurement`. */
  readonly values: Float32Array;
  /** Shape of y: [channels, 1, m] where it is no picture. */
  readonly measurement: PictureShape;
  /** Size of the picture that was measured. */
  readonly picture: PictureSize;
  /** The operator's settings as JSON text. */
  readonly settings: string;
}

/**
 * The content of a measurement's file.
 * @param path names the file in errors
 * @throws InputError if the values do not fit the measurement's shape
 */
export function encodeMeasurement(path: string, contents: Measurement): Uint8Array {
  const { task, values, measurement, picture, settings } = contents;
  const shape = [measurement.channels, measurement.height, measurement.width];
  const expected = shape.reduce((a, b) => a * b);
  if (values.length !== expected) {
    throw new InputError(
      `${path}: a measurement of shape [${shape.join(", ")}] has ${expected} values, got ${values.length}`,
    );
  }
  const metadata = { task, height: String(picture.height), width: String(picture.width), settings };
  return encodeSafetensors({ y: { shape, values } }, metadata);
}

const parse = (path: string, bytes: Uint8Array): Measurement => {
  const file = decodeSafetensors(bytes, path);
  const values = float32Tensor(file, "y", path);
  const [channels = 0, height = 0, width = 0, ...more] = file.tensors.get("y")?.shape ?? [];
  if (more.length > 0 || values.length === 0) {
    throw new InputError(`${path}: tensor y is not [channels, height, width]`);
  }
  const bad = values.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0) throw new InputError(`${path}: value ${bad} of y is ${values[bad]}`);
  const text = (name: string): string => {
    const value = file.metadata[name];
    if (typeof value !== "string") throw new InputError(`${path}: metadata "${name}" is missing`);
    return value;
  };
  const size = (name: string): number => {
    const value = Number(text(name));
    if (!Number.isInteger(value) || value < 1) {
      throw new InputError(`${path}: metadata "${name}" is ${text(name)}, not a number of pixels`);
    }
    return value;
  };
  return {
    task: text("task"),
    values,
    measurement: { channels, height, width },
    picture: { height: size("height"), width: size("width") },
    settings: text("settings"),
  };
};

/**
 * The inverse of {@link encodeMeasurement}.
 * @param path names the file in errors
 * @throws PictureError naming the file if it is truncated, lacks metadata or holds a non-finite value
 */
export function decodeMeasurement({ buffer, byteOffset, byteLength }: Uint8Array, path: string): Measurement {
  try {
    // As a plain Uint8Array: slices of a Buffer share its memory, and the decoder relies on slices being copies.
    return parse(path, new Uint8Array(buffer, byteOffset, byteLength));
  } catch (cause) {
    throw new PictureError(
      `${DeqfleetError.messageOf(cause)}; measure the picture again or leave ${path} out`,
      { cause },
    );
  }
}
