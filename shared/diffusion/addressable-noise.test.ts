import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  initialStateStream,
  type NoiseAddress,
  normalDeviates,
  philox4x32,
  stepStream,
} from "./addressable-noise.js";

const hex = (words: Uint32Array) => [...words].map((word) => word.toString(16).padStart(8, "0")).join(" ");

describe("philox4x32", () => {
  // Known answers of the authors' Random123 distribution (kat_vectors).
  it.each([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    ],
  ])("counter %j, key %j", (counter, key, expected) => {
    const block = Uint32Array.from(counter);
    philox4x32(block, key[0], key[1]);
    expect(hex(block)).toBe(expected);
  });
});

const address: NoiseAddress = { seed: 7, pictureId: "holiday/beach.png", stream: 0 };
const count = 60_000;

const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / values.length;
const correlation = (a: Float32Array, b: Float32Array) => mean(a.map((v, i) => v * b[i]));

describe("normalDeviates", () => {
  it("have the moments of a standard normal distribution", () => {
    const z = normalDeviates(address, count);
    // Four standard errors of each moment.
    const bound = (variance: number) => 4 * Math.sqrt(variance / count);
    expect(Math.abs(mean(z))).toBeLessThan(bound(1));
    expect(Math.abs(mean(z.map((v) => v ** 2)) - 1)).toBeLessThan(bound(2));
    expect(Math.abs(mean(z.map((v) => v ** 3)))).toBeLessThan(bound(15));
    expect(Math.abs(mean(z.map((v) => v ** 4)) - 3)).toBeLessThan(bound(96));
    const within = z.filter((v) => Math.abs(v) < 1).length / count;
    expect(Math.abs(within - 0.682689)).toBeLessThan(bound(0.22));
  });

  it("are uncorrelated with their neighbours", () => {
    const z = normalDeviates(address, count);
    for (const shift of [1, 2, 3, 4, 8]) {
      expect(Math.abs(correlation(z.subarray(shift), z.subarray(0, count - shift)))).toBeLessThan(
        4 / Math.sqrt(count - shift),
      );
    }
  });

  it("depend on the address and the position only: a shorter tensor is the beginning of a longer one", () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.maxSafeNat(),
          pictureId: fc.string(),
          stream: fc.integer({ min: 0, max: 1001 }),
        }),
        fc.integer({ min: 0, max: 41 }),
        (anywhere, shorter) => {
          const z = normalDeviates(anywhere, 41);
          expect(z.every(Number.isFinite)).toBe(true);
          expect(normalDeviates(anywhere, shorter)).toEqual(z.slice(0, shorter));
        },
      ),
    );
  });

  it.each<[string, Partial<NoiseAddress>]>([
    ["seed", { seed: 8 }],
    ["seed beyond 32 bits", { seed: 7 + 2 ** 32 }],
    ["largest seed", { seed: Number.MAX_SAFE_INTEGER }],
    ["picture", { pictureId: "holiday/beach.jpg" }],
    ["first step", { stream: stepStream(0) }],
    ["last step", { stream: stepStream(999) }],
  ])("are other and uncorrelated ones at another %s", (_, change) => {
    const a = normalDeviates(address, count);
    const b = normalDeviates({ ...address, ...change }, count);
    expect(a.filter((v, i) => v === b[i]).length).toBeLessThan(5);
    expect(Math.abs(correlation(a, b))).toBeLessThan(4 / Math.sqrt(count));
  });

  it("follow the documented recipe (values of an independent implementation)", () => {
    const independent = [0.09405, -0.3446334, 0.7075113, 2.058276];
    const z = normalDeviates({ seed: 1, pictureId: "a.png", stream: initialStateStream }, 4);
    for (const [i, v] of independent.entries()) expect(z[i]).toBeCloseTo(v, 6);
  });

  it("give every step a stream that is not the initial state's", () => {
    const streams = Array.from({ length: 1000 }, (_, step) => stepStream(step));
    expect(new Set([initialStateStream, ...streams]).size).toBe(1001);
  });
});
