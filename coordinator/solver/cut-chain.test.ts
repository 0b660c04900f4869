import fc from "fast-check";
import { expect, it } from "vitest";
import { cutChain, sameSpeed } from "./cut-chain.js";

it("covers every step once, in order, in slices that differ by at most one step, longer ones last", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 64 }), (steps, workers) => {
      const ranges = cutChain(steps, workers);
      expect(ranges.length).toBe(Math.min(steps, workers));
      expect(ranges[0].begin).toBe(0);
      expect(ranges.at(-1)?.end).toBe(steps);
      const lengths = ranges.map(({ begin, end }, i) => {
        if (i > 0) expect(begin).toBe(ranges[i - 1].end);
        return end - begin;
      });
      expect(Math.min(...lengths)).toBeGreaterThanOrEqual(1);
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
      expect(lengths.at(-1)).toBe(Math.max(...lengths));
      expect(lengths[0]).toBe(Math.min(...lengths));
    }),
  );
});

it.each([
  [10, 3, [3, 3, 4]],
  [10, 4, [2, 3, 2, 3]],
  [3, 8, [1, 1, 1]],
  [25, 1, [25]],
])("cuts %i steps over %i workers into %j", (steps, workers, lengths) => {
  expect(cutChain(steps, workers).map(({ begin, end }) => end - begin)).toEqual(lengths);
});

it("gives faster workers longer slices: no other cut is done sooner", () => {
  const pace = fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), pace, (steps, seconds) => {
      const ranges = cutChain(steps, seconds.length, (worker) => seconds[worker]);
      expect(ranges.at(-1)?.end).toBe(steps);
      const slowest = Math.max(...ranges.map(({ begin, end }, i) => (end - begin) * seconds[i]));
      for (const { begin, end } of ranges) expect(end - begin).toBeGreaterThanOrEqual(1);
      const used = seconds.slice(0, ranges.length);
      if (Math.max(...used) <= (1 + sameSpeed) * Math.min(...used)) return;
      // Were all done sooner, there would not be room for all steps, one a worker being the least.
      const sooner = used.map((s) => Math.max(1, Math.ceil(slowest / s - 1e-9) - 1));
      const forced = used.some((s) => s >= slowest * (1 - 1e-9));
      if (!forced) expect(sooner.reduce((sum, states) => sum + states, 0)).toBeLessThan(steps);
    }),
  );
});

it.each([
  { steps: 12, seconds: [1, 1, 2], lengths: [5, 5, 2] },
  { steps: 25, seconds: [3, 1, 1, 1], lengths: [2, 7, 8, 8] },
  // As good as equal.
  { steps: 10, seconds: [1, 1.1, 1.05], lengths: [3, 3, 4] },
  // One is not known.
  { steps: 9, seconds: [1, 5, undefined], lengths: [3, 3, 3] },
])("cuts $steps steps over workers of $seconds s a step into $lengths", ({ steps, seconds, lengths }) => {
  const ranges = cutChain(steps, seconds.length, (worker) => seconds[worker]);
  expect(ranges.map(({ begin, end }) => end - begin)).toEqual(lengths);
});
