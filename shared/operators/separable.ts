/**
 * Operators that act on the rows and the columns of a picture one after the other: per channel y = A_1 x A_2^T. With
 * the one-dimensional decompositions A_k = U_k diag(s_k) V_k^T the range coordinates are the grid u = V_1^T x V_2, and
 * coordinate (i, j) has singular value s_1[i] s_2[j] (or whatever grid the caller gives).
 */
import { mapBatch } from "./batch.js";
import { type DenseMatrix, multiply, transpose } from "./dense-matrix.js";
import type { DegradationOperator, FastBasis, LineFactors, PictureShape } from "./operator.js";

/** The decomposition A = U diag(s) V^T of an operator on lines of n pixels, with r coordinates. */
export interface LineDecomposition {
  /** [m, r], orthonormal columns. */
  readonly U: DenseMatrix;
  /** [r], >= 0. */
  readonly s: Float64Array;
  /** [n, r], orthonormal columns. */
  readonly V: DenseMatrix;
}

/** What a separable operator is made of. */
export interface SeparableParts {
  readonly task: string;
  readonly picture: PictureShape;
  readonly measurement: PictureShape;
  /** Acts along the height. */
  readonly rows: LineDecomposition;
  /** Acts along the width. */
  readonly columns: LineDecomposition;
  /** Singular values of the grid, [channels * rows.r * columns.r]; coordinates with 0 are outside the range of A. */
  readonly spectrum: Float64Array;
  /** A fast transform that does what both V do. */
  readonly fast?: FastBasis | undefined;
  /** Both V^T as products of few numbers. */
  readonly factors?: { readonly left: LineFactors; readonly right: LineFactors } | undefined;
}

/** The separable operator of the given parts; y is [channels, rows.m, columns.m]. */
export function separable(parts: SeparableParts): DegradationOperator {
  const { task, picture, measurement, rows, columns, spectrum } = parts;
  const { channels } = picture;
  const pictureSize = channels * picture.height * picture.width;
  const measurementSize = channels * measurement.height * measurement.width;
  const kept = Uint8Array.from(spectrum, (s) => (s > 0 ? 1 : 0));
  const positions = Uint32Array.from([...kept.keys()].filter((p) => kept[p] === 1));
  const rank = positions.length;
  const U1t = transpose(rows.U);
  const V1t = transpose(rows.V);
  const U2t = transpose(columns.U);
  const V2t = transpose(columns.V);

  /** left . plane . right for every channel of `planes`; a new array. */
  const sandwich = (left: DenseMatrix, planes: Float32Array | Float64Array, right: DenseMatrix) => {
    const size = left.columns * right.rows;
    const result = new Float64Array(channels * left.rows * right.columns);
    for (let c = 0; c < channels; c++) {
      const values = Float64Array.from(planes.subarray(c * size, (c + 1) * size));
      const plane = { rows: left.columns, columns: right.rows, values };
      result.set(multiply(multiply(left, plane), right).values, c * left.rows * right.columns);
    }
    return result;
  };
  const scatter = (u: Float32Array) => {
    const grid = new Float64Array(spectrum.length);
    for (let i = 0; i < rank; i++) grid[positions[i]!] = u[i]!;
    return grid;
  };

  return {
    task,
    picture,
    measurement,
    rank,
    singularValues: Float32Array.from(positions, (p) => spectrum[p]!),
    basis: {
      kind: "separable",
      left: Float32Array.from(V1t.values),
      rows: V1t.rows,
      right: Float32Array.from(V2t.values),
      columns: V2t.rows,
      kept: rank === spectrum.length ? undefined : kept,
      fast: parts.fast,
      factors: parts.factors,
    },
    apply: (x, batch = 1) =>
      mapBatch(x, batch, { name: "x", length: pictureSize }, measurementSize, (from, into) => {
        const grid = sandwich(V1t, from, columns.V).map((u, p) => u * spectrum[p]!);
        into.set(sandwich(rows.U, grid, U2t));
      }),
    pseudoInverse: (y, batch = 1) =>
      mapBatch(y, batch, { name: "y", length: measurementSize }, pictureSize, (from, into) => {
        const grid = sandwich(U1t, from, columns.U).map((u, p) => (kept[p] === 1 ? u / spectrum[p]! : 0));
        into.set(sandwich(rows.V, grid, V2t));
      }),
    toSpectrum: (x, batch = 1) =>
      mapBatch(x, batch, { name: "x", length: pictureSize }, rank, (from, into) => {
        const grid = sandwich(V1t, from, columns.V);
        for (let i = 0; i < rank; i++) into[i] = grid[positions[i]!]!;
      }),
    fromSpectrum: (u, batch = 1) =>
      mapBatch(u, batch, { name: "u", length: rank }, pictureSize, (from, into) => {
        into.set(sandwich(rows.V, scatter(from), V2t));
      }),
  };
}

/** The grid s_1[i] s_2[j], repeated for every channel; values under `threshold` become 0. */
export function productSpectrum(
  rows: LineDecomposition,
  columns: LineDecomposition,
  channels: number,
  threshold = 0,
): Float64Array {
  const area = rows.s.length * columns.s.length;
  return Float64Array.from({ length: channels * area }, (_, p) => {
    const at = p % area;
    const s = rows.s[Math.floor(at / columns.s.length)]! * columns.s[at % columns.s.length]!;
    return s < threshold ? 0 : s;
  });
}
