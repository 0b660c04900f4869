import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededPermutation } from "./seeded-permutation.js";

describe("seededPermutation", () => {
  it("is the one every party must get", () => {
    expect([...seededPermutation(8, 0)]).toEqual([3, 5, 2, 7, 6, 0, 1, 4]);
    expect([...seededPermutation(8, 4294967295)]).toEqual([4, 3, 7, 5, 2, 0, 6, 1]);
    expect([...seededPermutation(65536, 12345).subarray(0, 4)]).toEqual([23511, 64228, 53334, 4927]);
  });

  it("is a permutation, another for another seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff }), (n, seed) => {
        const sorted = [...seededPermutation(n, seed)].sort((a, b) => a - b);
        expect(sorted).toEqual(sorted.map((_, i) => i));
      }),
    );
    expect(seededPermutation(64, 1)).not.toEqual(seededPermutation(64, 2));
  });

  it("puts every entry everywhere about equally often", () => {
    const counts = new Uint32Array(25);
    for (let seed = 0; seed < 5000; seed++) {
      for (const [i, value] of seededPermutation(5, seed).entries()) counts[5 * i + value]!++;
    }
    // 1000 expected a cell, standard deviation 28.
    expect(Math.min(...counts)).toBeGreaterThan(860);
    expect(Math.max(...counts)).toBeLessThan(1140);
  });
});
