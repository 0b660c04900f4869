/**
 * The blur DeqIR actually computes, kept to reproduce its recorded numbers. It is no convolution:
 *
 * 1. The last tap of each kernel is dropped (gauss 4 taps, uniform and aniso 8) and the edges are padded with zeros.
 * 2. Singular values of one line under 3e-2 are zeroed.
 * 3. The N = H W products s_1[i] s_2[j] are sorted, falling: position p holds coordinate order[p]. The vectors are laid
 *    out as [position, channel] but the sorted values are *tiled* three times, so that channel c of position p gets the
 *    value sorted[(3 p + c) mod N], which belongs to another coordinate.
 *
 * The result is still linear, with a valid singular value decomposition: the same U and V, other values.
 *
 * Point 3 depends on the order of *equal* products (s_i s_j = s_j s_i on a square picture, and every zeroed one), which
 * `torch.sort` leaves open: it differs between devices and builds, and so does DeqIR's operator. Here ties stay in row
 * order, as a stable sort would leave them; a recorded run is matched exactly by giving the order it had.
 */
import { InputError } from "../errors.js";
import { type BlurTask, blurKernels } from "./blur-kernels.js";
import { denseMatrix } from "./dense-matrix.js";
import type { DegradationOperator, PictureShape } from "./operator.js";
import { type LineDecomposition, separable } from "./separable.js";
import { symmetricEigen } from "./symmetric-eigen.js";

/** The lines and products from which the operator is built. */
export interface DeqirBlurParts {
  readonly rows: LineDecomposition;
  readonly columns: LineDecomposition;
  /** s_1[i] s_2[j], [H * W], rounded to float32 at the places where the reference rounds. */
  readonly products: Float32Array;
}

/**
 * The decomposition of the n x n matrix T[i, i + d] = kernel[d], the last tap dropped, nothing outside the line. T is
 * Toeplitz, so T J (J reverses the columns) is symmetric: T J = Q diag(l) Q^T gives U = Q sign(l), s = |l|, V = J Q.
 */
function decompose(kernel: readonly number[], n: number): LineDecomposition {
  const middle = (kernel.length - 1) / 2;
  const tap = (d: number) => (d < middle ? (kernel[d + middle] ?? 0) : 0);
  const { values, vectors } = symmetricEigen(denseMatrix(n, n, (i, j) => tap(n - 1 - j - i)));
  return {
    U: denseMatrix(n, n, (i, k) => (values[k]! < 0 ? -1 : 1) * vectors.values[k * n + i]!),
    s: values.map(Math.abs),
    V: denseMatrix(n, n, (i, k) => vectors.values[k * n + n - 1 - i]!),
  };
}

/** The decompositions of both lines and the products of their singular values, those under 3e-2 zeroed first. */
export function deqirBlurParts(picture: PictureShape, task: BlurTask): DeqirBlurParts {
  const { height, width } = picture;
  const kernels = blurKernels(task);
  const rows = decompose(kernels.rows, height);
  const same = kernels.rows === kernels.columns && height === width;
  const columns = same ? rows : decompose(kernels.columns, width);
  const zeroed = (s: Float64Array) => Float32Array.from(s, (value) => (value < 3e-2 ? 0 : value));
  const [s1, s2] = [zeroed(rows.s), zeroed(columns.s)];
  const products = Float32Array.from(
    { length: height * width },
    (_, p) => s1[Math.floor(p / width)]! * s2[p % width]!,
  );
  return { rows, columns, products };
}

/** The coordinates by falling product, ties in row order. */
export function stableOrder(products: Float32Array): Uint32Array {
  // Array.prototype.sort is stable by specification (ECMAScript 2019).
  return Uint32Array.from([...products.keys()].sort((a, b) => products[b]! - products[a]!));
}

/** @throws InputError unless `order` is a permutation that sorts `products`, falling. */
function checkOrder(order: Uint32Array, products: Float32Array): void {
  const n = products.length;
  if (order.length !== n || new Set(order).size !== n || order.some((p) => p >= n)) {
    throw new InputError(
      `the sort order has ${order.length} entries and is no permutation of 0 .. ${n - 1}: give one entry for every coordinate`,
    );
  }
  // Recorded values were rounded by another decomposition: neighbours may be swapped within a few float32 roundings.
  const wrong = order.findIndex((p, i) => i > 0 && products[p]! > products[order[i - 1]!]! + 1e-6);
  if (wrong !== -1) {
    throw new InputError(
      `the sort order does not sort the singular values: position ${wrong} holds ${products[order[wrong]!]} after ${products[order[wrong - 1]!]}`,
    );
  }
}

/**
 * DeqIR's blur of a deblurring task: y is [channels, H, W].
 * @param order the coordinate (row-major) at every sorted position, where a recorded run's order of ties is wanted
 * @throws InputError if `order` does not sort the singular values
 */
export function deqirBlur(
  picture: PictureShape,
  task: BlurTask,
  order?: Uint32Array | undefined,
): DegradationOperator {
  const { channels } = picture;
  const { rows, columns, products } = deqirBlurParts(picture, task);
  const positions = order ?? stableOrder(products);
  checkOrder(positions, products);
  const area = products.length;
  const spectrum = new Float64Array(channels * area);
  for (let p = 0; p < area; p++) {
    for (let c = 0; c < channels; c++) {
      const sorted = products[positions[(channels * p + c) % area]!]!;
      spectrum[c * area + positions[p]!] = sorted;
    }
  }
  return separable({ task, picture, measurement: picture, rows, columns, spectrum });
}
