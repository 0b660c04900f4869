/** Blur with all taps of a symmetric kernel, the picture mirrored at its edges. */
import { type BlurTask, blurKernels } from "./blur-kernels.js";
import { cosineVectors, hasFastCosines } from "./cosine-vectors.js";
import { denseMatrix } from "./dense-matrix.js";
import type { DegradationOperator, PictureShape } from "./operator.js";
import { type LineDecomposition, productSpectrum, separable } from "./separable.js";

/**
 * Coordinates whose singular value is smaller are left out of A, because A^+ would amplify the rounding of an 8-bit
 * measurement by 1/s. That rounding has a standard deviation of 2/255/sqrt(12) = 0.0023 in every coordinate (pictures
 * in [-1, 1]); at s = 3e-2 it becomes 0.075, ten gray levels, more than most such coordinates of a photograph hold.
 * The value is the reference's limit for one line.
 */
export const negligibleBlurSingularValue = 3e-2;

/**
 * A symmetric kernel with half-sample mirrored edges is diagonal in the DCT-II (Strang, The Discrete Cosine Transform,
 * SIAM Review 1999), with eigenvalues sum_d kernel[d] cos(pi d k / n). A negative one puts its sign into U.
 */
function decompose(kernel: readonly number[], n: number): LineDecomposition {
  const middle = (kernel.length - 1) / 2;
  const eigenvalues = Float64Array.from({ length: n }, (_, k) =>
    kernel.reduce((sum, tap, j) => sum + tap * Math.cos((Math.PI * (j - middle) * k) / n), 0),
  );
  const V = cosineVectors(n);
  const U = denseMatrix(n, n, (i, k) => (eigenvalues[k]! < 0 ? -1 : 1) * V.values[i * n + k]!);
  return { U, s: eigenvalues.map(Math.abs), V };
}

/**
 * The true blur of a deblurring task: y is [channels, H, W]. A is the convolution restricted to the coordinates whose
 * singular value is at least {@link negligibleBlurSingularValue}; a fully blurred picture has the same A^+ y.
 */
export function exactBlur(picture: PictureShape, task: BlurTask): DegradationOperator {
  const kernels = blurKernels(task);
  const rows = decompose(kernels.rows, picture.height);
  const same = kernels.rows === kernels.columns && picture.height === picture.width;
  const columns = same ? rows : decompose(kernels.columns, picture.width);
  return separable({
    task,
    picture,
    measurement: picture,
    rows,
    columns,
    spectrum: productSpectrum(rows, columns, picture.channels, negligibleBlurSingularValue),
    fast: hasFastCosines(picture.height) && hasFastCosines(picture.width) ? "cosine" : undefined,
  });
}
