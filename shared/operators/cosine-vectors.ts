/** The orthonormal DCT-II, in which symmetric kernels with mirrored edges are diagonal. */
import { type DenseMatrix, denseMatrix } from "./dense-matrix.js";

/** The orthonormal DCT-II of n numbers as columns, [n, n]: V[i, k] = sqrt((k ? 2 : 1) / n) cos(pi (i + 1/2) k / n). */
export function cosineVectors(n: number): DenseMatrix {
  return denseMatrix(
    n,
    n,
    (i, k) => Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * (i + 0.5) * k) / n),
  );
}

/** The shortest and the longest line that has a fast transform. */
const shortest = 8;
const longest = 4096;

/** Whether the kernels have a fast transform for lines of n numbers: powers of two from 8 to 4096. */
export function hasFastCosines(n: number): boolean {
  return n >= shortest && n <= longest && Number.isInteger(Math.log2(n));
}
