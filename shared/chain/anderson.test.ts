import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { relativeDistance, seededValues } from "../../test/seeded-values.js";
import { andersonCoefficients, solvePositiveDefinite } from "./anderson.js";

/** Solves `matrix` x = `right` by Gauss elimination with pivoting; rows are copied. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const n = rows.length;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let i = column + 1; i < n; i++) {
      if (Math.abs(rows[i][column]) > Math.abs(rows[pivot][column])) pivot = i;
    }
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let i = 0; i < n; i++) {
      if (i === column) continue;
      const factor = rows[i][column] / rows[column][column];
      rows[i] = rows[i].map((v, k) => v - factor * rows[column][k]);
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

/** DeqIR's bordered system: [[0, 1^T], [1, G + ridge I]] (nu, alpha) = (1, 0). */
function borderedSolution(gram: Float64Array, n: number, ridge: number): number[] {
  const matrix = [
    [0, ...new Array<number>(n).fill(1)],
    ...Array.from({ length: n }, (_, j) => [
      1,
      ...Array.from({ length: n }, (_, k) => gram[j * n + k] + (j === k ? ridge : 0)),
    ]),
  ];
  return solve(matrix, [1, ...new Array<number>(n).fill(0)]).slice(1);
}

/** Gram matrix of n random residuals of some magnitude in `size` dimensions. */
function gramMatrix(n: number, size: number, magnitude: number, seed: number): Float64Array {
  const residuals = Array.from({ length: n }, (_, j) => seededValues(size, seed + j));
  return Float64Array.from(
    { length: n * n },
    (_, at) =>
      magnitude ** 2 * residuals[Math.floor(at / n)].reduce((sum, v, i) => sum + v * residuals[at % n][i], 0),
  );
}

const cases = fc.record({
  n: fc.integer({ min: 1, max: 5 }),
  magnitude: fc.constantFrom(1e-3, 0.1, 1, 30),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

describe("andersonCoefficients", () => {
  it("are those of the bordered system", () => {
    fc.assert(
      fc.property(cases, ({ n, magnitude, seed }) => {
        const gram = gramMatrix(n, 20, magnitude, seed);
        const alpha = andersonCoefficients(gram, n, 1e-3);
        expect(relativeDistance(alpha, borderedSolution(gram, n, 1e-3))).toBeLessThan(1e-8);
        expect(alpha.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
      }),
    );
  });

  it("minimise the mixed residual: any other combination is longer", () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 0, max: 1e6 }), ({ n, magnitude, seed }, other) => {
        const gram = gramMatrix(n, 20, magnitude, seed);
        const cost = (alpha: ArrayLike<number>) => {
          let sum = 0;
          for (let j = 0; j < n; j++) {
            for (let k = 0; k < n; k++) sum += alpha[j] * alpha[k] * (gram[j * n + k] + (j === k ? 1e-3 : 0));
          }
          return sum;
        };
        const alpha = andersonCoefficients(gram, n, 1e-3);
        const moved = seededValues(n, other);
        const drift = moved.reduce((a, b) => a + b, 0) / n;
        const changed = alpha.map((v, j) => v + 0.1 * (moved[j] - drift));
        expect(cost(changed)).toBeGreaterThanOrEqual(cost(alpha) * (1 - 1e-9));
      }),
    );
  });

  it("are 1 for a single residual, and equal for equal ones however small the ridge", () => {
    expect([...andersonCoefficients(Float64Array.of(4), 1, 1e-3)]).toEqual([1]);
    const equal = andersonCoefficients(new Float64Array(9).fill(1), 3, 1e-3);
    for (const alpha of equal) expect(alpha).toBeCloseTo(1 / 3, 10);
  });

  it("are finite where all residuals vanished", () => {
    const alpha = andersonCoefficients(new Float64Array(16), 4, 1e-3);
    for (const value of alpha) expect(value).toBeCloseTo(0.25, 12);
  });

  it("leave the Gram matrix as it was", () => {
    const gram = gramMatrix(3, 20, 1, 5);
    const before = gram.slice();
    andersonCoefficients(gram, 3, 1e-3);
    expect(gram).toEqual(before);
  });
});

it("solvePositiveDefinite solves what elimination solves", () => {
  fc.assert(
    fc.property(cases, ({ n, seed }) => {
      const gram = gramMatrix(n, 20, 1, seed);
      for (let j = 0; j < n; j++) gram[j * n + j] += 0.1;
      const right = Float64Array.from(seededValues(n, seed + 9));
      const rows = Array.from({ length: n }, (_, j) => [...gram.subarray(j * n, (j + 1) * n)]);
      expect(relativeDistance(solvePositiveDefinite(gram, right), solve(rows, [...right]))).toBeLessThan(
        1e-9,
      );
    }),
  );
});
