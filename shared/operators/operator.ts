/**
 * The degradation operator A of a restoration task, through its thin singular value decomposition
 *
 *     A = U diag(s) V^T,   V^T V = I (rank x rank),   U^T U = I,   s > 0
 *
 * Only the directions with a non-zero singular value are kept: `rank` of them. The rest of the picture space is the
 * null space, reached as x - V V^T x. A picture x is [3, H, W] in [-1, 1]; a batch is laid out picture after picture
 * in one Float32Array (NCHW).
 *
 * Source: DDRM / DDNM spectral form, as used by DeqIR (arXiv 2311.11600, section 3).
 */
import type { DenseMatrix } from "./dense-matrix.js";

/** Channels, height and width of a picture or of a picture-like measurement. */
export interface PictureShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Square V that have a fast transform: Sylvester's Hadamard matrices on both sides, or orthonormal DCT-II in natural order
 * of lengths that are powers of two from 8 to 4096.
 */
export type FastBasis = "walsh-hadamard" | "cosine";

/**
 * How the range coordinates u = V^T x are computed, as data: enough for kernels and graphs of V and V^T
 * that never call back into TypeScript.
 */
export type RangeBasis =
  /** u = scale * mean of each scale x scale block; u is [3, H/scale, W/scale]. */
  | { readonly kind: "block-mean"; readonly scale: number }
  /** u = sum_c weights[c] * x[c], weights of unit norm; u is [1, H, W]. */
  | { readonly kind: "channel"; readonly weights: Float32Array }
  /**
   * u = x where kept (1), absent elsewhere (0). `kept` is [H*W], shared by the channels. In a graph u is stored on
   * the full [3, H, W] grid, zero where not kept.
   */
  | { readonly kind: "pixel-mask"; readonly kept: Uint8Array }
  /**
   * u = left x right^T per channel, left [rows, H] and right [columns, W] row-major with orthonormal rows. Where
   * `kept` ([channels(3) * rows * columns], 0 or 1) is given, only those coordinates belong to the range; in a graph
   * u is stored on the full [3, rows, columns] grid, zero where not kept.
   */
  | {
      readonly kind: "separable";
      readonly left: Float32Array;
      readonly rows: number;
      readonly right: Float32Array;
      readonly columns: number;
      readonly kept: Uint8Array | undefined;
      /** The transform that the two matrices are, where there is a fast one. */
      readonly fast?: FastBasis | undefined;
      /** The two matrices as products of a few numbers, where they have such. */
      readonly factors?: { readonly left: LineFactors; readonly right: LineFactors } | undefined;
    };

/** V^T of lines as the product of a small matrix and one of narrow bands: V^T = S^-1 U^T A, where A is narrow. */
export interface LineFactors {
  /** A, [m, n]. */
  readonly bands: DenseMatrix;
  /** S^-1 U^T, [r, m]. */
  readonly small: DenseMatrix;
  /** S^-1, [m], if U^T is all of the orthonormal DCT-II in natural order. */
  readonly ofCosines: Float64Array | undefined;
}

/**
 * A linear degradation. Every method takes `batch` pictures (or measurements) at once and allocates its result.
 * Plain TypeScript: the readable reference to which the kernels of the hot path are held by tests.
 */
export interface DegradationOperator {
  /** The task's name, e.g. `sr-average`. */
  readonly task: string;
  /** Shape of the pictures A acts on. */
  readonly picture: PictureShape;
  /** Shape of one measurement y. For measurements that are no picture (compressed sensing): [channels, 1, m]. */
  readonly measurement: PictureShape;
  /** Number of non-zero singular values. */
  readonly rank: number;
  /** The singular values s, [rank], in the order of the range coordinates. All > 0. */
  readonly singularValues: Float32Array;
  /** How V and V^T are computed in a graph. */
  readonly basis: RangeBasis;

  /** y = A x. x: [batch, 3, H, W]; returns [batch, ...measurement]. */
  apply(x: Float32Array, batch?: number): Float32Array;
  /** A^+ y. y: [batch, ...measurement]; returns [batch, 3, H, W]. */
  pseudoInverse(y: Float32Array, batch?: number): Float32Array;
  /** u = V^T x. x: [batch, 3, H, W]; returns [batch, rank]. */
  toSpectrum(x: Float32Array, batch?: number): Float32Array;
  /** x = V u. u: [batch, rank]; returns [batch, 3, H, W]. */
  fromSpectrum(u: Float32Array, batch?: number): Float32Array;
}
