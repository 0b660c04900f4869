/**
 * Coefficients of Anderson mixing: minimise ||sum_j alpha_j G_j||^2 + ridge ||alpha||^2 subject to sum_j alpha_j = 1.
 * Source: DeqIR's `anderson` (its bordered system solved by elimination of the multiplier). Beside them, those of
 * triangular Anderson acceleration.
 */

/** Pivots below this share of their diagonal are rounding: a Gram matrix summed in float32 may come out indefinite. */
const smallestPivot = 1e-6;

/** Solves the symmetric positive definite system `matrix` x = `right` ([n, n] row-major) by Cholesky's method. */
export function solvePositiveDefinite(matrix: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j];
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
      l[i * n + j] =
        i === j
          ? Math.sqrt(Math.max(sum, smallestPivot * matrix[i * n + i], Number.MIN_VALUE))
          : sum / l[j * n + j];
    }
  }
  const x = Float64Array.from(right);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= l[i * n + k] * x[k];
    x[i] /= l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= l[k * n + i] * x[k];
    x[i] /= l[i * n + i];
  }
  return x;
}

/**
 * alpha of one state.
 * @param gram <G_j, G_k> of the residuals kept, [n, n] row-major
 * @param ridge lambda, absolute, as in DeqIR
 */
export function andersonCoefficients(gram: Float64Array, n: number, ridge: number): Float64Array {
  const matrix = Float64Array.from(gram);
  for (let j = 0; j < n; j++) matrix[j * n + j] += ridge;
  const x = solvePositiveDefinite(matrix, new Float64Array(n).fill(1));
  const total = x.reduce((a, b) => a + b, 0);
  return x.map((v) => v / total);
}

/**
 * alpha of triangular Anderson acceleration (ParaTAA, arXiv 2402.09970, eq. 12): x + R - (dX + dR) (dR^T dR + lambda I)^-1 dR^T R, whose
 * dX + dR are differences of corrected states, written as their mixture. Without a gain to be had it is the newest alone,
 * where {@link andersonCoefficients} tend to equal shares.
 * @param gram <R_j, R_k> of the corrections kept, newest first, summed over all states up to the one that is mixed, [n, n] row-major
 * @param ridge lambda, absolute
 */
export function triangularCoefficients(gram: Float64Array, n: number, ridge: number): Float64Array {
  const differences = n - 1;
  const at = (j: number, k: number) => gram[j * n + k];
  const matrix = new Float64Array(differences ** 2);
  const right = new Float64Array(differences);
  for (let j = 0; j < differences; j++) {
    for (let k = 0; k < differences; k++) {
      matrix[j * differences + k] = at(j, k) - at(j, k + 1) - at(j + 1, k) + at(j + 1, k + 1);
    }
    matrix[j * differences + j] += ridge;
    right[j] = at(j, 0) - at(j + 1, 0);
  }
  const gamma = solvePositiveDefinite(matrix, right);
  const alpha = new Float64Array(n);
  alpha[0] = 1;
  for (const [j, value] of gamma.entries()) {
    alpha[j] -= value;
    alpha[j + 1] += value;
  }
  return alpha;
}
