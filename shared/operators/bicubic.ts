/** Bicubic super-resolution: every line is filtered with the cubic kernel and one sample in `scale` is kept. */
import { cosineVectors } from "./cosine-vectors.js";
import { type DenseMatrix, denseMatrix, multiply, transpose } from "./dense-matrix.js";
import type { DegradationOperator, LineFactors, PictureShape } from "./operator.js";
import { reflect } from "./reflect.js";
import { type LineDecomposition, productSpectrum, separable } from "./separable.js";

/** Keys' cubic with a = -0.5, which reproduces quadratics. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0;
}

/**
 * The [n / scale, n] matrix of one line: 4 * scale taps around the centre of each block, normalised to sum 1, the line
 * mirrored at its edges. For odd scales the reference's taps sit half a pixel off the block's centre; here they do not.
 */
export function bicubicLine(n: number, scale: number): DenseMatrix {
  const matrix = denseMatrix(n / scale, n);
  for (let i = 0; i < matrix.rows; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.floor(centre - 2 * scale);
    const taps = Array.from({ length: 4 * scale }, (_, k) => cubic((first + k + 0.5 - centre) / scale));
    const sum = taps.reduce((a, b) => a + b);
    for (const [k, tap] of taps.entries()) matrix.values[i * n + reflect(first + k, n)]! += tap / sum;
  }
  return matrix;
}

/** DeqIR takes singular values of one line under this for zero (`SRConv`); only scales in the hundreds have such. */
const negligibleSingularValue = 3e-2;

/**
 * A = U diag(s) V^T. A symmetric filter with half-sample mirrored edges maps cosines to cosines, also where one sample in
 * `scale` is kept from the middle of each block: U is the DCT-II, s_k = |A^T u_k| and V = A^T U / s, accurate, as every s kept is above
 * 3e-2.
 */
function decompose(matrix: DenseMatrix): LineDecomposition & { readonly factors: LineFactors } {
  const m = matrix.rows;
  const cosines = cosineVectors(m);
  const seen = multiply(transpose(matrix), cosines);
  const lengths = Float64Array.from({ length: m }, (_, k) =>
    Math.hypot(...Array.from({ length: matrix.columns }, (_, i) => seen.values[i * m + k]!)),
  );
  const kept = [...lengths.keys()].filter((k) => lengths[k]! >= negligibleSingularValue);
  const s = Float64Array.from(kept, (k) => lengths[k]!);
  const U = denseMatrix(m, s.length, (i, j) => cosines.values[i * m + kept[j]!]!);
  const V = denseMatrix(matrix.columns, s.length, (i, j) => seen.values[i * m + kept[j]!]! / s[j]!);
  const small = denseMatrix(s.length, m, (j, i) => U.values[i * s.length + j]! / s[j]!);
  const ofCosines = s.length === m ? s.map((value) => 1 / value) : undefined;
  return { U, s, V, factors: { bands: matrix, small, ofCosines } };
}

/**
 * Bicubic super-resolution: y is [channels, H/scale, W/scale]. Source: DeqIR's `sr_bicubic`, with any side lengths.
 * @param scale divides height and width
 */
export function bicubic(picture: PictureShape, scale: number): DegradationOperator {
  const { channels, height, width } = picture;
  const rows = decompose(bicubicLine(height, scale));
  const columns = height === width ? rows : decompose(bicubicLine(width, scale));
  return separable({
    task: "sr-bicubic",
    picture,
    measurement: { channels, height: height / scale, width: width / scale },
    rows,
    columns,
    spectrum: productSpectrum(rows, columns, channels),
    factors: { left: rows.factors, right: columns.factors },
  });
}
