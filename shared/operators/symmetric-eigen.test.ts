import fc from "fast-check";
import { expect, it } from "vitest";
import { type DenseMatrix, denseMatrix, multiply, transpose } from "./dense-matrix.js";
import { symmetricEigen } from "./symmetric-eigen.js";

const largestDifference = (a: DenseMatrix, b: DenseMatrix) =>
  a.values.reduce((largest, v, i) => Math.max(largest, Math.abs(v - b.values[i]!)), 0);

/** Q diag(values) Q^T = S, Q orthogonal, values falling in absolute value. */
function expectDecomposed(S: DenseMatrix): void {
  const n = S.rows;
  const { values, vectors } = symmetricEigen(S);
  const size = S.values.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
  const scaled = denseMatrix(n, n, (i, j) => vectors.values[i * n + j]! * values[i]!);
  const identity = denseMatrix(n, n, (i, j) => (i === j ? 1 : 0));
  expect(largestDifference(multiply(transpose(vectors), scaled), S)).toBeLessThanOrEqual(1e-14 * n * size);
  expect(largestDifference(multiply(vectors, transpose(vectors)), identity)).toBeLessThan(1e-14 * n);
  for (let k = 1; k < n; k++) expect(Math.abs(values[k]!)).toBeLessThanOrEqual(Math.abs(values[k - 1]!));
}

const symmetricMatrix = fc.integer({ min: 1, max: 12 }).chain((n) =>
  fc
    // Small integers give repeated eigenvalues, zero columns and blocks.
    .array(
      fc.oneof(
        fc.integer({ min: -2, max: 2 }),
        fc.integer({ min: -1e6, max: 1e6 }).map((v) => v / 1e6),
      ),
      {
        minLength: n * n,
        maxLength: n * n,
      },
    )
    .map((entries) => denseMatrix(n, n, (i, j) => entries[Math.min(i, j) * n + Math.max(i, j)]!)),
);

it("decomposes symmetric matrices", () => {
  fc.assert(fc.property(symmetricMatrix, expectDecomposed), { numRuns: 300 });
});

it("decomposes the zero matrix, the identity and ones whose entries differ by many orders", () => {
  expectDecomposed(denseMatrix(5, 5));
  expectDecomposed(denseMatrix(5, 5, (i, j) => (i === j ? 1 : 0)));
  expectDecomposed(denseMatrix(6, 6, (i, j) => 10 ** (-2 * (i + j))));
});

it("finds the known spectrum of the second difference, 2 - 2 cos(pi k / (n + 1)), at n = 128", () => {
  const n = 128;
  const { values } = symmetricEigen(denseMatrix(n, n, (i, j) => [2, -1][Math.abs(i - j)] ?? 0));
  for (let k = 0; k < n; k++) {
    expect(values[k]).toBeCloseTo(2 - 2 * Math.cos((Math.PI * (n - k)) / (n + 1)), 12);
  }
});

it("gives up on a matrix that holds no numbers", () => {
  expect(() => symmetricEigen(denseMatrix(3, 3, () => Number.NaN))).toThrow(/did not converge/);
});
