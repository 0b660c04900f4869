import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CostCurve, costCurve } from "../../shared/fleet/cost-curve.js";
import { choosePlan, makespan, type PlanQuestion } from "./choose-plan.js";
import { expectedEvaluations, expectedRounds } from "./expected-rounds.js";

/** A processor: a call takes as long as its states together. */
const proportional: CostCurve = (batch) => batch;
/** A large accelerator: sixteen states take hardly longer than one. */
const flat: CostCurve = (batch) => 1 + 0.02 * (batch - 1);

const question = (given: Partial<PlanQuestion> & { count?: number; cost?: CostCurve }): PlanQuestion => {
  const { count = 2, cost = proportional, ...more } = given;
  return {
    requested: "auto",
    goal: "throughput",
    pictures: 1,
    workers: Array.from({ length: count }, () => cost),
    wire: { perRound: 0, perTensor: 0 },
    batch: 4,
    steps: 25,
    method: "secant",
    maxRounds: null,
    window: null,
    unit: "seconds",
    ...more,
  };
};

describe("expectedRounds", () => {
  it("follows the recorded traces of the default method", () => {
    expect([25, 50, 100].map((steps) => expectedRounds(steps, "secant"))).toEqual([9, 10, 12]);
    expect(expectedRounds(3, "secant")).toBe(3);
  });

  it("knows what they evaluate: 161 to 193 states at T = 25", () => {
    const evaluated = expectedEvaluations(25, 9, 25);
    expect(evaluated[0]).toBe(25);
    const sum = evaluated.reduce((a, b) => a + b, 0);
    expect(sum).toBeGreaterThan(161);
    expect(sum).toBeLessThan(193);
    expect(Math.max(...expectedEvaluations(25, 9, 6))).toBe(6);
  });
});

describe("makespan", () => {
  it("fills workers of any speed", () => {
    expect(makespan(10, [(n) => n])).toBeCloseTo(10);
    expect(makespan(10, [(n) => n, (n) => n])).toBeCloseTo(5);
    expect(makespan(10, [(n) => n, (n) => 4 * n])).toBeCloseTo(8);
    expect(makespan(1, [(n) => n, (n) => 4 * n])).toBeCloseTo(1);
  });
});

describe("choosePlan", () => {
  it("gives each of many pictures to one worker, for throughput", () => {
    const choice = choosePlan(question({ pictures: 100, count: 8 }));
    expect(choice).toMatchObject({ chosen: "serial", slices: 1, sideBySide: 32 });
    expect(choice.seconds).toBeCloseTo(25 * 13);
  });

  it("cuts one picture over many workers once that is shorter", () => {
    expect(choosePlan(question({ count: 4 })).chosen).toBe("serial");
    const choice = choosePlan(question({ count: 13 }));
    expect(choice).toMatchObject({ chosen: "time-parallel", sideBySide: 1 });
    expect(choice.seconds).toBeLessThan(25);
  });

  it("cuts over one worker whose calls cost the same whatever they hold", () => {
    const choice = choosePlan(question({ count: 1, cost: flat }));
    expect(choice).toMatchObject({ chosen: "time-parallel", slices: 1 });
    expect(choice.seconds).toBeLessThan(14);
  });

  it("takes several chains side by side where that is best", () => {
    const choice = choosePlan(question({ goal: "latency", pictures: 4, count: 32, cost: flat, batch: 1 }));
    expect(choice.chosen).toBe("time-parallel");
    const throughput = choosePlan(question({ pictures: 4, count: 100 }));
    expect(throughput).toMatchObject({ chosen: "time-parallel", sideBySide: 4, slices: 25 });
  });

  it("has pictures share calls where all of them are wanted soon, and none where each is", () => {
    const asked = {
      pictures: 40,
      count: 2,
      cost: (batch: number) => 1 + 0.5 * (batch - 1),
      requested: "serial",
    } as const;
    const together = choosePlan(question({ ...asked, goal: "throughput" }));
    expect(together).toMatchObject({ chosen: "serial", batch: 4, sideBySide: 8 });
    expect(together.latency).toBeCloseTo(25 * 2.5);
    const alone = choosePlan(question({ ...asked, goal: "latency" }));
    expect(alone).toMatchObject({ chosen: "serial", batch: 1, sideBySide: 2 });
    expect(alone.latency).toBeCloseTo(25);
    expect(alone.seconds).toBeCloseTo(20 * 25);
    // What is on offer besides.
    expect(alone.options.filter(({ plan }) => plan === "serial").map(({ batch }) => batch)).toEqual([1, 4]);
  });

  it("weighs the goal: each picture soon, or all of them", () => {
    const asked = { pictures: 100, count: 16 };
    expect(choosePlan(question({ ...asked, goal: "latency" })).chosen).toBe("time-parallel");
    expect(choosePlan(question({ ...asked, goal: "throughput" })).chosen).toBe("serial");
  });

  it("does not cut over a slow wire", () => {
    expect(choosePlan(question({ count: 13, wire: { perRound: 3, perTensor: 0 } })).chosen).toBe("serial");
    expect(choosePlan(question({ count: 13, wire: { perRound: 0, perTensor: 0.1 } })).slices).toBeLessThan(
      13,
    );
  });

  it("puts like workers together, and leaves none to wait for a slower one", () => {
    const slow: CostCurve = (batch) => 10 * batch;
    const workers = Array.from({ length: 26 }, (_, i) => (i % 2 === 0 ? proportional : slow));
    const { options } = choosePlan(question({ pictures: 2, workers }));
    const halves = options.find(({ plan, slices }) => plan === "time-parallel" && slices === 13);
    expect(halves?.groups[0].every((worker) => worker % 2 === 0)).toBe(true);
  });

  it("does what was asked for, and still says what the other would take", () => {
    const { chosen, reason } = choosePlan(question({ requested: "time-parallel", pictures: 3 }));
    expect(chosen).toBe("time-parallel");
    expect(reason).toMatch(
      /^time-parallel was asked for: for 3 pictures of 25 steps on 2 workers, .* should take .* in all and .* a picture; whole chains, 3 side by side: 50 s in all/,
    );
  });

  it("never gets slower with another worker, nor with a faster one", () => {
    const size = fc.integer({ min: 1, max: 40 });
    const costs = fc.array(
      fc.record({
        one: fc.double({ min: 0.1, max: 5, noNaN: true }),
        more: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { minLength: 1, maxLength: 8 },
    );
    const curveOf = ({ one, more }: { one: number; more: number }): CostCurve =>
      costCurve([
        { batch: 1, seconds: one },
        { batch: 8, seconds: one * (1 + 7 * more) },
      ]);
    fc.assert(
      fc.property(size, size, costs, (pictures, steps, some) => {
        const workers = some.map(curveOf);
        const seconds = (given: CostCurve[]) =>
          choosePlan(question({ pictures, steps, workers: given, batch: 1 })).seconds;
        const now = seconds(workers);
        const slack = 1.02;
        expect(seconds([...workers, workers[0]])).toBeLessThanOrEqual(now * slack);
        expect(seconds([(batch) => workers[0](batch) / 2, ...workers.slice(1)])).toBeLessThanOrEqual(
          now * slack,
        );
      }),
    );
  });
});
