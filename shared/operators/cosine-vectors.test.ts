import { describe, expect, it } from "vitest";
import { cosineVectors, hasFastCosines } from "./cosine-vectors.js";
import { multiply, transpose } from "./dense-matrix.js";

describe("cosineVectors", () => {
  it.each([1, 2, 7, 8, 33])("%i columns are orthonormal", (n) => {
    const V = cosineVectors(n);
    const { values } = multiply(transpose(V), V);
    for (const [p, v] of values.entries()) expect(v).toBeCloseTo(p % (n + 1) === 0 ? 1 : 0, 12);
  });

  it("are those of the DCT-II in natural order", () => {
    const { values } = cosineVectors(2);
    const half = Math.SQRT1_2;
    for (const [p, v] of [half, half, half, -half].entries()) expect(values[p]).toBeCloseTo(v, 15);
    // Column k changes its sign k times.
    const V = cosineVectors(9);
    for (let k = 0; k < 9; k++) {
      const column = Array.from({ length: 9 }, (_, i) => V.values[9 * i + k]!).filter(
        (v) => Math.abs(v) > 1e-9,
      );
      expect(column.filter((v, i) => i > 0 && v < 0 !== column[i - 1]! < 0)).toHaveLength(k);
    }
  });
});

describe("hasFastCosines", () => {
  it("is so for powers of two from 8 to 4096 only", () => {
    const fast = Array.from({ length: 10_000 }, (_, n) => n).filter(hasFastCosines);
    expect(fast).toEqual([8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]);
  });
});
