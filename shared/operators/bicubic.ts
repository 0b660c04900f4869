/** Bicubic super-resolution: every line is filtered with the cubic kernel and one sample in `scale` is kept. */
import { type DenseMatrix, denseMatrix, multiply, transpose } from "./dense-matrix.js";
import type { DegradationOperator, LineFactors, PictureShape } from "./operator.js";
import { reflect } from "./reflect.js";
import { type LineDecomposition, productSpectrum, separable } from "./separable.js";
import { symmetricEigen } from "./symmetric-eigen.js";

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

/** A = U diag(s) V^T from A A^T = U diag(s^2) U^T and V = A^T U / s: accurate, as every s kept is above 3e-2. */
function decompose(matrix: DenseMatrix): LineDecomposition {
  const { values, vectors } = symmetricEigen(multiply(matrix, transpose(matrix)));
  const s = values
    .map((square) => Math.sqrt(Math.max(square, 0)))
    .filter((x) => x >= negligibleSingularValue);
  const rank = s.length;
  const U = denseMatrix(matrix.rows, rank, (i, j) => vectors.values[j * matrix.rows + i]!);
  const AtU = multiply(transpose(matrix), U);
  return { U, s, V: denseMatrix(matrix.columns, rank, (i, j) => AtU.values[i * rank + j]! / s[j]!) };
}

/** V^T = S^-1 U^T A: a tap for every pixel that a line's number is made of, and m x r numbers, where V has n x r. */
const factorsOf = (bands: DenseMatrix, { U, s }: LineDecomposition): LineFactors => ({
  bands,
  small: denseMatrix(s.length, U.rows, (i, j) => U.values[j * U.columns + i]! / s[i]!),
});

/**
 * Bicubic super-resolution: y is [channels, H/scale, W/scale]. Source: DeqIR's `sr_bicubic`, with any side lengths.
 * @param scale divides height and width
 */
export function bicubic(picture: PictureShape, scale: number): DegradationOperator {
  const { channels, height, width } = picture;
  const bands = { left: bicubicLine(height, scale), right: bicubicLine(width, scale) };
  const rows = decompose(bands.left);
  const columns = height === width ? rows : decompose(bands.right);
  return separable({
    task: "sr-bicubic",
    picture,
    measurement: { channels, height: height / scale, width: width / scale },
    rows,
    columns,
    spectrum: productSpectrum(rows, columns, channels),
    factors: { left: factorsOf(bands.left, rows), right: factorsOf(bands.right, columns) },
  });
}
