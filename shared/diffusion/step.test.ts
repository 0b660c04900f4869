/** The coefficients of a step, held to the step written out on vectors with a toy operator. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededValues } from "../../test/seeded-values.js";
import { noiseSchedule } from "./noise-schedule.js";
import { type NoiseWeights, stepCoefficients } from "./step.js";

type Vector = readonly number[];
const size = 6;

const dot = (a: Vector, b: Vector) => a.reduce((sum, v, i) => sum + v * b[i], 0);
const combine = (...terms: readonly (readonly [number, Vector])[]): Vector =>
  Array.from({ length: size }, (_, i) => terms.reduce((sum, [factor, v]) => sum + factor * v[i], 0));
const vector = (seed: number): Vector => [...seededValues(size, seed)];

/** Rows of an orthonormal V^T: Gram and Schmidt's method on random rows. */
function orthonormalRows(seed: number): Vector[] {
  const rows: Vector[] = [];
  for (let k = 0; rows.length < size; k++) {
    let row = vector(seed + 1000 * k);
    for (let pass = 0; pass < 2; pass++) {
      for (const other of rows) row = combine([1, row], [-dot(row, other), other]);
    }
    const length = Math.sqrt(dot(row, row));
    if (length > 1e-3) rows.push(row.map((v) => v / length));
  }
  return rows;
}

const toSpectrum = (rows: readonly Vector[], x: Vector): Vector => rows.map((row) => dot(row, x));
const fromSpectrum = (rows: readonly Vector[], u: Vector): Vector =>
  combine(...rows.map((row, i) => [u[i], row] as const));

interface Toy {
  readonly rows: readonly Vector[];
  /** l of every coordinate. */
  readonly consistency: Vector;
  readonly z: Vector;
  readonly eps: Vector;
  readonly n: Vector;
  /** A^+ y. */
  readonly inverse: Vector;
}

/** x0, xhat and z' as DDNM and DDIM write them, on vectors in the picture space. */
function stepWrittenOut(steps: number, step: number, { etw, nw }: NoiseWeights, toy: Toy): Vector {
  const { signal } = noiseSchedule({ steps, start: 1000, spacing: "uniform" });
  const abar = signal[step];
  const next = signal[step + 1];
  const { rows, consistency, z, eps, n, inverse } = toy;
  const x0 = combine([1 / Math.sqrt(abar), z], [-Math.sqrt((1 - abar) / abar), eps]);
  const inconsistency = toSpectrum(rows, combine([1, x0], [-1, inverse]));
  const xhat = combine(
    [1, x0],
    [
      -1,
      fromSpectrum(
        rows,
        inconsistency.map((v, i) => consistency[i] * v),
      ),
    ],
  );
  const sigma = Math.sqrt(1 - next);
  return combine([Math.sqrt(next), xhat], [sigma * Math.sqrt(1 - etw ** 2), eps], [sigma * nw, n]);
}

const cases = fc.record({
  steps: fc.integer({ min: 1, max: 25 }),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  etw: fc.constantFrom(0, 0.3, 0.85, 1),
  nw: fc.constantFrom(0, 0.4, 1),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

function holds(consistency: (seed: number) => Vector): void {
  fc.assert(
    fc.property(cases, ({ steps, at, etw, nw, seed }) => {
      const step = Math.floor(at * steps);
      const schedule = noiseSchedule({ steps, start: 1000, spacing: "uniform" });
      const rows = orthonormalRows(seed);
      const l = consistency(seed + 1);
      // A^+ y lies in the range of A.
      const inverse = fromSpectrum(
        rows,
        vector(seed + 2).map((v, i) => (l[i] > 0 ? v : 0)),
      );
      const toy = {
        rows,
        consistency: l,
        z: vector(seed + 3),
        eps: vector(seed + 4),
        n: vector(seed + 5),
        inverse,
      };
      const expected = toSpectrum(rows, stepWrittenOut(steps, step, { etw, nw }, toy));
      const [z, eps, n, ybar] = [toy.z, toy.eps, toy.n, inverse].map((v) => toSpectrum(rows, v));
      for (let i = 0; i < size; i++) {
        const c = stepCoefficients(schedule, step, 1 - l[i], { etw, nw });
        const made =
          c.state * z[i] + c.noiseEstimate * eps[i] + c.measurement * ybar[i] + c.freshNoise * n[i];
        // x0 divides by sqrt(abar), as small as 0.006.
        expect(Math.abs(made - expected[i])).toBeLessThan(1e-11);
      }
    }),
  );
}

describe("stepCoefficients equal the step on vectors", () => {
  it("for a noiseless measurement: l is 1 in the range and 0 in the null space", () => {
    holds((seed) => vector(seed).map((v) => (v > 0 ? 1 : 0)));
  });

  it("for a noisy one: l between 0 and 1", () => {
    holds((seed) => vector(seed).map((v) => (v + 1) / 2));
  });
});

describe("stepCoefficients", () => {
  const schedule = noiseSchedule({ steps: 10, start: 1000, spacing: "uniform" });
  const weights = { etw: 0.5, nw: 0.7 };

  it("in the range of A forget the state", () => {
    const c = stepCoefficients(schedule, 3, 0, weights);
    expect(c.state).toBe(0);
    expect(c.measurement).toBe(Math.sqrt(schedule.signal[4]));
  });

  it("in the null space ignore the measurement", () => {
    expect(stepCoefficients(schedule, 3, 1, weights).measurement).toBe(0);
  });

  it("in the last step add no noise, predicted or fresh", () => {
    expect(stepCoefficients(schedule, 9, 0, weights)).toMatchObject({
      noiseEstimate: 0,
      freshNoise: 0,
      measurement: 1,
    });
    const inNull = stepCoefficients(schedule, 9, 1, weights);
    expect(inNull.freshNoise).toBe(0);
    expect(inNull.state).toBeCloseTo(1 / Math.sqrt(schedule.signal[9]), 12);
  });

  it("etw 1 drops the predicted noise of the next state altogether", () => {
    expect(stepCoefficients(schedule, 3, 0, { etw: 1, nw: 0 }).noiseEstimate).toBe(0);
  });
});
