import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { largestFloat16, toFloat16 } from "./float16.js";

/** The value of a finite float16 bit pattern, by the definition of the format. */
function finiteValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

const encode = (value: number): number => toFloat16(Float32Array.of(value), "w")[0];

/** Bit patterns of the finite magnitudes, in rising order. */
const magnitudes = Array.from({ length: 0x7c00 }, (_, bits) => bits);

describe("toFloat16", () => {
  it("keeps every finite float16 value, subnormals and both zeros among them", () => {
    const patterns = [...magnitudes, ...magnitudes.map((bits) => bits | 0x8000)];
    const encoded = toFloat16(Float32Array.from(patterns, finiteValue), "w");
    expect([...encoded]).toEqual(patterns);
  });

  it("rounds the midpoint of every two neighbours to the even one, and what lies beside it to the nearer", () => {
    const float = new Float32Array(1);
    const word = new Uint32Array(float.buffer);
    const wrong: number[] = [];
    for (const bits of magnitudes.slice(0, -1)) {
      // A midpoint has one bit more than float16 has: float32 holds it exactly.
      const middle = (finiteValue(bits) + finiteValue(bits + 1)) / 2;
      float[0] = middle;
      word[0] -= 1;
      const below = float[0];
      word[0] += 2;
      const above = float[0];
      const even = bits % 2 === 0 ? bits : bits + 1;
      if (encode(middle) !== even || encode(below) !== bits || encode(above) !== bits + 1) wrong.push(bits);
      if (encode(-middle) !== (even | 0x8000)) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it("is within half a unit of the last place of any value in range", () => {
    fc.assert(
      fc.property(fc.float({ min: -largestFloat16, max: largestFloat16, noNaN: true }), (value) => {
        const unit = 2 ** Math.max(-24, Math.floor(Math.log2(Math.abs(value) || 1)) - 10);
        expect(Math.abs(finiteValue(encode(value)) - value)).toBeLessThanOrEqual(unit / 2);
      }),
    );
  });

  it("rounds 65519 down and refuses 65520, infinities and NaN, naming tensor, value and place", () => {
    expect(encode(65519.996)).toBe(0x7bff);
    for (const value of [65520, -65520, Number.POSITIVE_INFINITY, Number.NaN]) {
      const convert = () => toFloat16(Float32Array.of(1, value), "mid.weight");
      expect(convert).toThrow(InputError);
      expect(convert).toThrow(`mid.weight: the value ${value} at position 1`);
    }
  });

  it("converts a view at its own place in a larger buffer", () => {
    expect([...toFloat16(Float32Array.of(9, 1, 2, 9).subarray(1, 3), "w")]).toEqual([0x3c00, 0x4000]);
  });
});
