import fc from "fast-check";
import { expect, it } from "vitest";
import { cutChain } from "./cut-chain.js";

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
