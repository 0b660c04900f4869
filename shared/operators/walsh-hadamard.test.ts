import { describe, expect, it } from "vitest";
import { seededPermutation } from "./seeded-permutation.js";
import { walshHadamard, walshHadamardSensing } from "./walsh-hadamard.js";

const popcount = (n: number) => [...n.toString(2)].filter((bit) => bit === "1").length;

describe("walshHadamard", () => {
  it("is Sylvester's matrix, entry (i, j) = (-1)^popcount(i & j) / sqrt(n)", () => {
    const n = 16;
    for (let j = 0; j < n; j++) {
      const column = new Float64Array(n);
      column[j] = 1;
      walshHadamard(column);
      for (let i = 0; i < n; i++) expect(column[i]).toBeCloseTo((-1) ** popcount(i & j) / 4, 14);
    }
  });
});

describe("walshHadamardSensing", () => {
  it("measures the coordinates the permutation names, in its order, channel by channel", () => {
    const picture = { channels: 3, height: 2, width: 4 };
    const permutation = Uint32Array.of(5, 0, 3, 1, 2, 4, 6, 7);
    const x = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
    const y = walshHadamardSensing(picture, permutation, 3).apply(x);
    for (let c = 0; c < 3; c++) {
      const plane = Float64Array.from(x.subarray(c * 8, c * 8 + 8));
      walshHadamard(plane);
      for (let k = 0; k < 3; k++) expect(y[c * 3 + k]).toBeCloseTo(plane[permutation[k]!]!, 6);
    }
  });

  it("loses nothing at full ratio", () => {
    const operator = walshHadamardSensing({ channels: 3, height: 4, width: 4 }, seededPermutation(16, 7), 16);
    const x = Float32Array.from({ length: 48 }, (_, i) => Math.cos(i));
    const back = operator.pseudoInverse(operator.apply(x));
    for (const [i, value] of x.entries()) expect(back[i]).toBeCloseTo(value, 5);
  });
});
