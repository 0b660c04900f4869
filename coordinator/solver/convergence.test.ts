import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noiseSchedule, residualScale } from "../../shared/diffusion/noise-schedule.js";
import { finalSteps, finalTolerance, largestOf, residualRatio, toleratedSteps } from "./convergence.js";

const schedule = noiseSchedule({ steps: 10, start: 1000, spacing: "uniform" });

describe("residualRatio", () => {
  it.each([0, 4, 9])("is 1 where the root mean square of step %i is tol sigma", (step) => {
    const rms = 0.05 * residualScale(schedule, step);
    expect(residualRatio(schedule, step, rms ** 2, 0.05)).toBeCloseTo(1, 12);
    expect(residualRatio(schedule, step, (2 * rms) ** 2, 0.05)).toBeCloseTo(2, 12);
    expect(residualRatio(schedule, step, rms ** 2, 0.1)).toBeCloseTo(0.5, 12);
  });

  it("is finite for the last step, whose state carries no noise", () => {
    expect(Number.isFinite(residualRatio(schedule, 9, 1, 0.1))).toBe(true);
  });
});

describe("finalSteps", () => {
  const above = (1.01 * finalTolerance(10)) ** 2;
  const below = (0.99 * finalTolerance(10)) ** 2;

  it.each([
    [0, [above, below, below], 0],
    [0, [below, below, above, below], 2],
    [3, [below, above], 4],
    [3, [above], 3],
    [3, [below, below], 5],
    [3, [], 3],
    [0, [0, 0], 2],
  ])("from %i on with residuals %j: %i", (done, meanSquares, expected) => {
    expect(finalSteps(done, meanSquares, 10)).toBe(expected);
  });

  it("never takes back what is final, and never more than was evaluated", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        fc.array(fc.double({ min: 0, max: 1e-7, noNaN: true }), { maxLength: 30 }),
        (done, meanSquares) => {
          const found = finalSteps(done, meanSquares, 50);
          expect(found).toBeGreaterThanOrEqual(done);
          expect(found).toBeLessThanOrEqual(done + meanSquares.length);
          for (const meanSquare of meanSquares.slice(0, found - done)) {
            expect(Math.sqrt(meanSquare)).toBeLessThanOrEqual(finalTolerance(50) * (1 + 1e-12));
          }
        },
      ),
    );
  });

  it("calls no state final whose residual is not a number", () => {
    expect(finalSteps(0, [0, Number.NaN, 0], 10)).toBe(1);
    expect(finalSteps(0, [0, Number.POSITIVE_INFINITY], 10)).toBe(1);
  });

  it("asks more of long chains", () => {
    expect(finalTolerance(99)).toBe(3e-5);
    expect(finalTolerance(100)).toBe(1e-5);
    expect(finalSteps(0, [below], 99)).toBe(1);
    expect(finalSteps(0, [below], 100)).toBe(0);
  });
});

describe("toleratedSteps", () => {
  it.each([
    [0, [2, 0.5], 0],
    [4, [1, 0.2, 1.01, 0.1], 6],
    [4, [0.5, Number.NaN], 5],
    [4, [0.5, 0.5], 6],
  ])("from %i on with ratios %j: %i", (done, ratios, expected) => {
    expect(toleratedSteps(done, ratios)).toBe(expected);
  });
});

describe("largestOf", () => {
  it.each([
    [[0.5, 3, 2], 3],
    [[0.5, Number.NaN, 2], Number.POSITIVE_INFINITY],
    [[Number.POSITIVE_INFINITY, 1], Number.POSITIVE_INFINITY],
    [[0, 0], 0],
  ])("%j: %d", (ratios, expected) => {
    expect(largestOf(ratios)).toBe(expected);
  });
});
