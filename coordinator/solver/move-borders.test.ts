import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutChain } from "./cut-chain.js";
import { type BorderQuestion, type HeldRange, moveBorders } from "./move-borders.js";

/** Cut over `workers`, with the first `done` states final: those before it have nothing to do. */
function question(
  steps: number,
  workers: number,
  done: number,
  more: Partial<BorderQuestion> = {},
): BorderQuestion {
  const cut = cutChain(steps, workers).map((range, worker) => ({ worker, ...range }));
  return {
    held: cut.filter(({ end }) => end > done),
    idle: cut.filter(({ end }) => end <= done).map(({ worker }) => worker),
    work: { begin: done, end: steps },
    seconds: (_, states) => states,
    rounds: 5,
    perStep: 0,
    perMove: 0,
    longest: Math.max(...cut.map(({ begin, end }) => end - begin)),
    ...more,
  };
}

const states = ({ begin, end }: HeldRange, done: number) => Math.max(0, end - Math.max(begin, done));

const cases = fc
  .record({ steps: fc.integer({ min: 2, max: 60 }), workers: fc.integer({ min: 2, max: 10 }) })
  .chain(({ steps, workers }) =>
    fc.record({
      steps: fc.constant(steps),
      workers: fc.constant(workers),
      done: fc.integer({ min: 0, max: steps - 1 }),
    }),
  );

describe("moveBorders", () => {
  it("leaves the slowest of like workers at most one state more than the average, if the wire is free", () => {
    fc.assert(
      fc.property(cases, ({ steps, workers, done }) => {
        const asked = question(steps, workers, done);
        const plan = moveBorders(asked);
        const ranges = plan?.ranges ?? asked.held;
        const slowest = Math.max(...ranges.map((range) => states(range, done)));
        expect(slowest).toBeLessThanOrEqual((steps - done) / Math.min(workers, steps) + 1);
      }),
    );
  });

  it("covers the chain once and in order, each worker with one slice within its memory", () => {
    fc.assert(
      fc.property(
        cases,
        fc.array(fc.double({ min: 0.2, max: 5, noNaN: true }), { minLength: 10, maxLength: 10 }),
        ({ steps, workers, done }, speeds) => {
          const asked = question(steps, workers, done, { seconds: (worker, n) => n * speeds[worker] });
          const plan = moveBorders(asked);
          if (!plan) return;
          expect([asked.held[0].begin, asked.work.begin]).toContain(plan.ranges[0].begin);
          expect(plan.ranges[0].worker).toBe(asked.held[0].worker);
          expect(plan.ranges.at(-1)?.end).toBe(steps);
          for (const [i, { begin, end }] of plan.ranges.entries()) {
            expect(end).toBeGreaterThan(begin);
            expect(end - begin).toBeLessThanOrEqual(asked.longest);
            if (i > 0) expect(begin).toBe(plan.ranges[i - 1].end);
          }
          expect(new Set(plan.ranges.map(({ worker }) => worker)).size).toBe(plan.ranges.length);
        },
      ),
    );
  });

  it("never costs more than what it saves", () => {
    fc.assert(
      fc.property(
        cases,
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.integer({ min: 1, max: 8 }),
        ({ steps, workers, done }, perStep, rounds) => {
          const asked = question(steps, workers, done, { perStep, perMove: 0.5, rounds });
          const plan = moveBorders(asked);
          if (!plan) return;
          const slowest = (ranges: readonly HeldRange[]) =>
            Math.max(...ranges.map((range) => states(range, done)));
          const saved = rounds * (slowest(asked.held) - slowest(plan.ranges));
          expect(plan.moved * perStep + 0.5).toBeLessThan(saved);
        },
      ),
    );
  });

  it("has an idle worker join where the fewest states move", () => {
    // Slices 6, 6, 6, 7, the first of them final: 19 states for four workers, five each.
    const asked = question(25, 4, 6);
    const plan = moveBorders(asked);
    expect(plan?.ranges.map((range) => states(range, 6)).sort()).toEqual([4, 5, 5, 5]);
    // In the chain's order every border would move: 5 + 4 + 2 steps.
    expect(plan?.moved).toBeLessThanOrEqual(9);
  });

  it("gives slow workers less", () => {
    const plan = moveBorders(
      question(24, 3, 0, { seconds: (worker, n) => n * (worker === 1 ? 4 : 1), longest: 24 }),
    );
    expect(plan?.ranges.map(({ begin, end }) => end - begin)).toEqual([11, 2, 11]);
  });

  it("leaves the borders where the wire is slower than the work", () => {
    expect(moveBorders(question(25, 4, 6, { perStep: 3, rounds: 2 }))).toBeUndefined();
    expect(moveBorders(question(25, 4, 6, { perMove: 100 }))).toBeUndefined();
  });

  it("looks at the window only", () => {
    const asked = question(12, 3, 0, { work: { begin: 0, end: 4 }, longest: 10 });
    const plan = moveBorders(asked);
    const evaluated = plan?.ranges.map(({ begin, end }) => Math.max(0, Math.min(end, 4) - begin));
    expect(Math.max(...(evaluated ?? [4]))).toBeLessThanOrEqual(2);
  });
});
