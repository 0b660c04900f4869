/**
 * Padding pictures to sizes a network accepts, by half-sample symmetric reflection: the edge pixel is repeated
 * (c b a | a b c | c b a), the boundary that the blur operators use as well. The content stays at the top left.
 */
import { InputError } from "../errors.js";
import type { PictureShape } from "../operators/operator.js";

/** Height and width in pixels. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
}

/** The smallest size not below `size` whose height and width are multiples of `multiple`. */
export function canvasSize(size: PictureSize, multiple: number): PictureSize {
  const up = (n: number): number => Math.ceil(n / multiple) * multiple;
  return { height: up(size.height), width: up(size.width) };
}

const reflectedIndex = (index: number, length: number): number => {
  const phase = index % (2 * length);
  return phase < length ? phase : 2 * length - 1 - phase;
};

const requireLength = (values: { length: number }, shape: PictureShape): void => {
  const { channels, height, width } = shape;
  if (values.length !== channels * height * width) {
    throw new InputError(
      `a [${channels}, ${height}, ${width}] picture has ${channels * height * width} values, got ${values.length}`,
    );
  }
};

/**
 * Extends [C, H, W] values to [C, height, width], reflecting as often as it takes when the target is several times larger.
 * Masks go in as Uint8Array with one channel.
 * @throws InputError if the target is smaller than the picture or the values do not fit `shape`
 */
export function padReflect(values: Float32Array, shape: PictureShape, target: PictureSize): Float32Array;
export function padReflect(values: Uint8Array, shape: PictureShape, target: PictureSize): Uint8Array;
export function padReflect(
  values: Float32Array | Uint8Array,
  shape: PictureShape,
  target: PictureSize,
): Float32Array | Uint8Array {
  requireLength(values, shape);
  const { channels, height, width } = shape;
  if (target.height < height || target.width < width || height === 0 || width === 0) {
    throw new InputError(
      `a ${width}x${height} picture cannot be padded to ${target.width}x${target.height}: the target must be at least as large`,
    );
  }
  const length = channels * target.height * target.width;
  const padded = values instanceof Float32Array ? new Float32Array(length) : new Uint8Array(length);
  const columns = Int32Array.from({ length: target.width }, (_, x) => reflectedIndex(x, width));
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < target.height; y++) {
      const row = (c * height + reflectedIndex(y, height)) * width;
      for (const x of columns) padded[at++] = values[row + x]!;
    }
  }
  return padded;
}

/**
 * The top left height x width part of [C, H, W] values; undoes {@link padReflect}.
 * @throws InputError if the part is larger than the picture or the values do not fit `shape`
 */
export function cropTo(values: Float32Array, shape: PictureShape, part: PictureSize): Float32Array;
export function cropTo(values: Uint8Array, shape: PictureShape, part: PictureSize): Uint8Array;
export function cropTo(
  values: Float32Array | Uint8Array,
  shape: PictureShape,
  part: PictureSize,
): Float32Array | Uint8Array {
  requireLength(values, shape);
  const { channels, height, width } = shape;
  if (part.height > height || part.width > width) {
    throw new InputError(
      `a ${width}x${height} picture has no ${part.width}x${part.height} part: crop to at most its own size`,
    );
  }
  const length = channels * part.height * part.width;
  const cropped = values instanceof Float32Array ? new Float32Array(length) : new Uint8Array(length);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < part.height; y++) {
      const row = (c * height + y) * width;
      cropped.set(values.subarray(row, row + part.width), (c * part.height + y) * part.width);
    }
  }
  return cropped;
}
