/**
 * Where a tensor's elements lie in its storage: element (i, j, ...) of a PyTorch tensor is at offset + i strides[0] +
 * j strides[1] + ... (torch.Tensor.stride). Transposed and expanded (stride 0) tensors are such views.
 */
import { InputError } from "../errors.js";

/** A view of a storage, in elements. */
export interface TensorLayout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** One dimension of a view: size, distance in the storage, distance in the row-major result. */
export interface Stride {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** PyTorch's own limit of dimensions. */
const maxRank = 64;

/** A tensor that repeats a smaller storage may have this many elements (64 MiB); weights do not repeat themselves. */
const maxExpanded = 2 ** 24;

/** Number of elements of a shape; 1 of a scalar. */
export const elementsOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Strides of a tensor that lies row-major and gapless. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let i = shape.length - 1, stride = 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= Math.max(1, shape[i]!);
  }
  return strides;
}

/** Index of the last storage element of the view; the offset - 1 of an empty one. NaN or infinite if it overflows. */
export function lastElement({ shape, strides, offset }: TensorLayout): number {
  if (shape.includes(0)) return offset - 1;
  return shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, offset);
}

/**
 * Refuses views that do not lie in their storage, or ask for more memory than the file could need.
 * @param storageElements elements of the storage
 * @param subject the start of the message: file and tensor
 * @throws InputError naming shape, strides and storage
 */
export function requireLayout(layout: TensorLayout, storageElements: number, subject: string): void {
  const { shape, strides, offset } = layout;
  const described = `shape [${shape.join(", ")}], strides [${strides.join(", ")}], offset ${offset}`;
  const counts = [...shape, ...strides, offset];
  if (
    shape.length !== strides.length ||
    shape.length > maxRank ||
    !counts.every((n) => Number.isSafeInteger(n) && n >= 0)
  ) {
    throw new InputError(`${subject} has an impossible layout (${described}); the file is damaged`);
  }
  const last = lastElement(layout);
  if (!Number.isSafeInteger(last) || last >= storageElements) {
    throw new InputError(
      `${subject} reaches beyond its storage (${described}; the storage has ${storageElements} elements); the file is damaged`,
    );
  }
  const elements = elementsOf(shape);
  if (elements > storageElements && elements > maxExpanded) {
    throw new InputError(
      `${subject} repeats ${storageElements} stored elements to ${elements} (${described}); ` +
        `at most ${maxExpanded} are taken; save it with .contiguous()`,
    );
  }
}

/**
 * The view's dimensions without those of size 1, neighbours that lie gapless in each other merged, and the largest distance
 * in the storage first: walked in this order, a view without overlaps touches its storage from front to back.
 * @param layout a view accepted by {@link requireLayout}
 */
export function storageOrder({ shape, strides }: TensorLayout): Stride[] {
  const merged: Stride[] = [];
  const to = rowMajorStrides(shape);
  for (const [i, size] of shape.entries()) {
    if (size === 1) continue;
    const outer = merged.at(-1);
    if (outer !== undefined && outer.from === strides[i]! * size) {
      merged[merged.length - 1] = { size: outer.size * size, from: strides[i]!, to: to[i]! };
    } else {
      merged.push({ size, from: strides[i]!, to: to[i]! });
    }
  }
  return merged.sort((a, b) => b.from - a.from);
}
