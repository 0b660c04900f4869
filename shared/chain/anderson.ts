/**
 * Coefficients of Anderson mixing: minimise ||sum_j alpha_j G_j||^2 + ridge ||alpha||^2 subject to sum_j alpha_j = 1.
 * Source: DeqIR's `anderson` (its bordered system solved by elimination of the multiplier).
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
