import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { choosePlan, type PlanQuestion } from "./choose-plan.js";
import { expectedRounds } from "./expected-rounds.js";

const question = (given: Partial<PlanQuestion>): PlanQuestion => ({
  requested: "auto",
  pictures: 1,
  workers: 2,
  steps: 25,
  method: "secant",
  maxRounds: null,
  ...given,
});

describe("expectedRounds", () => {
  it("follows the measured rounds of the default method", () => {
    expect(expectedRounds(25, "secant")).toBe(8);
    expect(expectedRounds(50, "secant")).toBe(10);
    expect(expectedRounds(3, "secant")).toBe(3);
  });
});

describe("choosePlan", () => {
  it("gives each of many pictures to one worker", () => {
    const { chosen, serial, timeParallel } = choosePlan(question({ pictures: 100, workers: 8 }));
    expect({ chosen, serial, timeParallel }).toEqual({ chosen: "serial", serial: 325, timeParallel: 3200 });
  });

  it("cuts one picture over many workers once that is shorter", () => {
    expect(choosePlan(question({ workers: 4 })).chosen).toBe("serial");
    expect(choosePlan(question({ workers: 13 }))).toMatchObject({
      chosen: "time-parallel",
      timeParallel: 16,
    });
  });

  it("counts only the rounds that are allowed", () => {
    expect(choosePlan(question({ workers: 5, maxRounds: 3 }))).toMatchObject({
      chosen: "time-parallel",
      timeParallel: 15,
    });
  });

  it("does what was asked for, and still says what both would take", () => {
    const { chosen, reason } = choosePlan(question({ requested: "time-parallel" }));
    expect(chosen).toBe("time-parallel");
    expect(reason).toBe(
      "time-parallel was asked for: for 1 picture of 25 steps on 2 workers, serial takes 25 evaluations one after the other, time-parallel about 104 (8 rounds expected)",
    );
  });

  it("never cuts a chain over one worker, nor gets slower with more workers", () => {
    const size = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(size, size, size, (pictures, workers, steps) => {
        expect(choosePlan(question({ pictures, workers: 1, steps })).chosen).toBe("serial");
        const path = (count: number) => {
          const { serial, timeParallel } = choosePlan(question({ pictures, workers: count, steps }));
          return Math.min(serial, timeParallel);
        };
        expect(path(workers + 1)).toBeLessThanOrEqual(path(workers));
      }),
    );
  });
});
