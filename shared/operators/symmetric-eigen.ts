/**
 * Eigenvalues and eigenvectors of a dense symmetric matrix: Householder reflections to tridiagonal form, then implicit
 * QR steps with Wilkinson's shift. Source: Golub & Van Loan, Matrix Computations, sections 8.3.1 and 8.3.3.
 */
import { type DenseMatrix, denseMatrix } from "./dense-matrix.js";

/** S = Q diag(values) Q^T with Q = vectors^T orthogonal. */
export interface SymmetricEigen {
  /** [n], falling in absolute value. */
  readonly values: Float64Array;
  /** [n, n]: row k is the unit eigenvector of values[k]. */
  readonly vectors: DenseMatrix;
}

interface Tridiagonal {
  /** [n]. */
  readonly diagonal: Float64Array;
  /** [n]: offDiagonal[k] couples k and k + 1; the last entry is unused. */
  readonly offDiagonal: Float64Array;
  /** Rows q_k with S = sum_kl T_kl q_k q_l^T. */
  readonly basis: DenseMatrix;
}

/** Reduces S to tridiagonal T by n - 2 reflections I - 2 v v^T. */
function tridiagonalise(symmetric: DenseMatrix): Tridiagonal {
  const n = symmetric.rows;
  const work = symmetric.values.slice();
  const basis = denseMatrix(n, n, (i, j) => (i === j ? 1 : 0));
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    diagonal[k] = work[k * n + k]!;
    const column = work.subarray(k * n, (k + 1) * n);
    let square = 0;
    for (let i = k + 1; i < n; i++) square += column[i]! ** 2;
    // The sign that adds in v[k + 1] instead of cancelling.
    const reflected = column[k + 1]! > 0 ? -Math.sqrt(square) : Math.sqrt(square);
    const norm = Math.sqrt(2 * (square - reflected * column[k + 1]!));
    offDiagonal[k] = reflected;
    if (norm === 0) continue;
    for (let i = k + 1; i < n; i++) v[i] = (column[i]! - (i === k + 1 ? reflected : 0)) / norm;

    // S <- (I - 2vv^T) S (I - 2vv^T) = S - v w^T - w v^T with w = 2 S v - 2 (v^T S v) v.
    let curvature = 0;
    for (let i = k + 1; i < n; i++) {
      let dot = 0;
      for (let j = k + 1; j < n; j++) dot += work[i * n + j]! * v[j]!;
      w[i] = 2 * dot;
      curvature += 2 * dot * v[i]!;
    }
    for (let i = k + 1; i < n; i++) w[i]! -= curvature * v[i]!;
    for (let i = k + 1; i < n; i++) {
      const vi = v[i]!;
      const wi = w[i]!;
      for (let j = k + 1; j < n; j++) work[i * n + j]! -= vi * w[j]! + wi * v[j]!;
    }

    // Rows k + 1 .. n - 1 of the basis are combined by the same reflection.
    w.fill(0);
    for (let i = k + 1; i < n; i++) {
      const vi = 2 * v[i]!;
      for (let j = 0; j < n; j++) w[j]! += vi * basis.values[i * n + j]!;
    }
    for (let i = k + 1; i < n; i++) {
      const vi = v[i]!;
      for (let j = 0; j < n; j++) basis.values[i * n + j]! -= vi * w[j]!;
    }
  }
  diagonal[n - 1] = work[n * n - 1]!;
  return { diagonal, offDiagonal, basis };
}

/** One implicit QR step on the unreduced block lo..hi: chases the bulge down and rotates the basis rows along. */
function qrStep({ diagonal: d, offDiagonal: e, basis }: Tridiagonal, lo: number, hi: number): void {
  const n = basis.columns;
  const half = (d[hi - 1]! - d[hi]!) / 2;
  const coupling = e[hi - 1]!;
  const shift = d[hi]! - coupling ** 2 / (half + (half < 0 ? -1 : 1) * Math.hypot(half, coupling));
  let x = d[lo]! - shift;
  let z = e[lo]!;
  for (let k = lo; k < hi; k++) {
    const radius = Math.hypot(x, z);
    const c = radius === 0 ? 1 : x / radius;
    const s = radius === 0 ? 0 : z / radius;
    if (k > lo) e[k - 1] = radius;
    const upper = d[k]!;
    const lower = d[k + 1]!;
    const across = 2 * c * s * e[k]!;
    d[k] = c * c * upper + across + s * s * lower;
    d[k + 1] = s * s * upper - across + c * c * lower;
    e[k] = c * s * (lower - upper) + (c * c - s * s) * e[k]!;
    if (k < hi - 1) {
      x = e[k]!;
      z = s * e[k + 1]!;
      e[k + 1]! *= c;
    }
    const first = k * n;
    const second = first + n;
    for (let j = 0; j < n; j++) {
      const a = basis.values[first + j]!;
      const b = basis.values[second + j]!;
      basis.values[first + j] = c * a + s * b;
      basis.values[second + j] = c * b - s * a;
    }
  }
}

/**
 * All eigenvalues and eigenvectors of a symmetric [n, n] matrix, n >= 1 (only its symmetry is assumed, never checked).
 * Errors are of the order of the machine precision times the matrix norm; n = 256 takes a few tenths of a second.
 * @throws RangeError if the iteration does not converge, which only entries that are no numbers bring about
 */
export function symmetricEigen(symmetric: DenseMatrix): SymmetricEigen {
  const n = symmetric.rows;
  const tridiagonal = tridiagonalise(symmetric);
  const { diagonal, offDiagonal, basis } = tridiagonal;
  const size = diagonal.reduce(
    (largest, x, k) => Math.max(largest, Math.abs(x), Math.abs(offDiagonal[k]!)),
    0,
  );
  const negligible = Number.EPSILON * size;
  let steps = 0;
  for (let hi = n - 1; hi > 0; ) {
    if (Math.abs(offDiagonal[hi - 1]!) <= negligible) {
      hi--;
      continue;
    }
    let lo = hi - 1;
    while (lo > 0 && Math.abs(offDiagonal[lo - 1]!) > negligible) lo--;
    // Two or three steps an eigenvalue are usual.
    if (++steps > 30 * n) throw new RangeError(`the eigenvalues of a ${n}x${n} matrix did not converge`);
    qrStep(tridiagonal, lo, hi);
  }
  const order = [...diagonal.keys()].sort((a, b) => Math.abs(diagonal[b]!) - Math.abs(diagonal[a]!));
  return {
    values: Float64Array.from(order, (k) => diagonal[k]!),
    vectors: denseMatrix(n, n, (i, j) => basis.values[order[i]! * n + j]!),
  };
}
