import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { relativeDistance, seededValues } from "../../test/seeded-values.js";
import { PrefixScan } from "./prefix-scan.js";

describe("PrefixScan", () => {
  let scan: PrefixScan;
  beforeAll(async () => {
    scan = new PrefixScan();
  });
  afterAll(() => scan.release());

  it("is delta_q = D delta_p + s, with one factor in the range and one in the null space", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.integer({ min: 0, max: 1e6 }),
        async (size, range, rest, seed) => {
          const inRange = seededValues(size, seed).map((v) => (v > 0 ? 1 : 0));
          const entry = seededValues(size, seed + 1);
          const s = seededValues(size, seed + 2);
          const exit = await scan.advance(entry, s, { range, null: rest }, inRange);
          const expected = s.map((v, i) => (inRange[i] === 1 ? range : rest) * entry[i] + v);
          expect(exit.length).toBe(size);
          for (const [i, v] of expected.entries()) expect(Math.abs(exit[i] - v)).toBeLessThan(1e-6);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("composes: advancing over two slices is advancing over their composition", async () => {
    const size = 64;
    const inRange = seededValues(size, 1).map((v) => (v > 0.2 ? 1 : 0));
    const [entry, s1, s2] = [2, 3, 4].map((seed) => seededValues(size, seed));
    const first = { range: 0.3, null: 1.1 };
    const second = { range: 0.8, null: 0.6 };
    const twice = await scan.advance(await scan.advance(entry, s1, first, inRange), s2, second, inRange);
    const composed = { range: first.range * second.range, null: first.null * second.null };
    const s = await scan.advance(s1, s2, second, inRange);
    expect(relativeDistance(await scan.advance(entry, s, composed, inRange), twice)).toBeLessThan(1e-6);
  });

  it("is s where the entry state is final", async () => {
    const s = seededValues(10, 5);
    expect(await scan.advance(undefined, s, { range: 1, null: 1 }, new Float32Array(10))).toEqual(s);
  });
});
