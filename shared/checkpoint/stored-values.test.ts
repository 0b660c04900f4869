import { describe, expect, it } from "vitest";
import type { StoredDtype } from "./checkpoint.js";
import { decodeValues } from "./stored-values.js";

const decode = (dtype: StoredDtype, stored: ArrayBufferView, count: number) => {
  const values = new Float32Array(count);
  const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
  return { inexact: decodeValues(dtype, bytes, values), values };
};

/** IEEE 754 binary16 by its definition. */
const valueOfHalf = (half: number): number => {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = (half & 0x3ff) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
};

describe("decodeValues", () => {
  it("converts all 65536 halves exactly: subnormals, infinities, signed zeros; NaN stays NaN", () => {
    const halves = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    const { values, inexact } = decode("float16", halves, halves.length);
    expect(inexact).toBe(-1);
    expect(halves.findIndex((half, i) => !Object.is(values[i], valueOfHalf(half)))).toBe(-1);
  });

  it("takes a bfloat16 as the upper half of a float32, NaN payloads included", () => {
    const stored = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    const { values } = decode("bfloat16", stored, stored.length);
    const bits = new Uint32Array(values.buffer);
    expect(stored.findIndex((half, i) => bits[i] !== half * 0x10000)).toBe(-1);
  });

  it("keeps float32 bit by bit and rounds float64 to the nearest", () => {
    const bits = Uint32Array.of(0x7fa00001, 0x80000000, 1, 0x7f800000);
    expect(new Uint32Array(decode("float32", bits, 4).values.buffer)).toEqual(bits);
    const doubles = Float64Array.of(0.1, 1e300, -1e-300);
    expect([...decode("float64", doubles, 3).values]).toEqual([
      Math.fround(0.1),
      Number.POSITIVE_INFINITY,
      -0,
    ]);
  });

  it("converts integers and bools", () => {
    expect([...decode("int64", BigInt64Array.of(-3n, 2n ** 40n), 2).values]).toEqual([-3, 2 ** 40]);
    expect([...decode("int32", Int32Array.of(-3, 2 ** 24), 2).values]).toEqual([-3, 2 ** 24]);
    expect([...decode("int16", Int16Array.of(-32768, 7), 2).values]).toEqual([-32768, 7]);
    expect([...decode("int8", Int8Array.of(-128, 7), 2).values]).toEqual([-128, 7]);
    expect([...decode("uint8", Uint8Array.of(255, 7), 2).values]).toEqual([255, 7]);
    expect([...decode("bool", Uint8Array.of(0, 1, 2), 3).values]).toEqual([0, 1, 1]);
  });

  it("says which integer float32 cannot hold", () => {
    expect(decode("int32", Int32Array.of(1, 2 ** 24 + 1, 0), 3).inexact).toBe(1);
    expect(decode("int64", BigInt64Array.of(1n, 2n, 2n ** 53n + 1n), 3).inexact).toBe(2);
    expect(decode("int64", BigInt64Array.of(2n ** 63n - 1n), 1).inexact).toBe(0);
  });
});
