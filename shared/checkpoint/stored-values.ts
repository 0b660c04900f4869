/** Stored element types and their conversion to float32. All of it little-endian, as the containers are. */
import type { StoredDtype } from "./checkpoint.js";

/** Bytes of one element. */
export const elementBytes: Readonly<Record<StoredDtype, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** Bits of the float32 equal to each float16, by the float16's bits. 256 KiB, made at the first use. */
let halfTable: Uint32Array | undefined;

const singleBitsOfHalf = (half: number): number => {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  let mantissa = half & 0x3ff;
  if (exponent === 31) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  // A subnormal half is mantissa * 2^-24, a normal number in float32.
  let shifted = 113;
  while ((mantissa & 0x400) === 0) {
    mantissa <<= 1;
    shifted--;
  }
  return (sign | (shifted << 23) | ((mantissa & 0x3ff) << 13)) >>> 0;
};

const halves = (): Uint32Array => {
  halfTable ??= Uint32Array.from({ length: 0x10000 }, (_, half) => singleBitsOfHalf(half));
  return halfTable;
};

/** Copies integers; the position of the first one that is no float32, or -1. */
const copyIntegers = (
  integers: Int32Array | Int16Array | Int8Array | Uint8Array,
  into: Float32Array,
): number => {
  into.set(integers);
  if (!(integers instanceof Int32Array)) return -1;
  return integers.findIndex((value, i) => into[i] !== value);
};

const copyLongs = (integers: BigInt64Array, into: Float32Array): number => {
  for (let i = 0; i < integers.length; i++) {
    into[i] = Number(integers[i]);
    if (BigInt(into[i]!) !== integers[i]) return i;
  }
  return -1;
};

/**
 * Converts `into.length` stored elements to float32. Halves and bfloat16 convert exactly, NaN payloads included; float64 is
 * rounded to the nearest float32; a bool is 0 or 1.
 * @param bytes the elements, little-endian, at a multiple of 8 in their buffer
 * @returns -1, or the index of the first integer that float32 does not hold exactly
 */
export function decodeValues(dtype: StoredDtype, bytes: Uint8Array, into: Float32Array): number {
  const { buffer, byteOffset } = bytes;
  const { length } = into;
  switch (dtype) {
    case "float64":
      into.set(new Float64Array(buffer, byteOffset, length));
      return -1;
    case "float32":
      // As bits: a signalling NaN stays what it was.
      new Uint32Array(into.buffer, into.byteOffset, length).set(new Uint32Array(buffer, byteOffset, length));
      return -1;
    case "float16": {
      const bits = new Uint32Array(into.buffer, into.byteOffset, length);
      const stored = new Uint16Array(buffer, byteOffset, length);
      const table = halves();
      for (let i = 0; i < length; i++) bits[i] = table[stored[i]!]!;
      return -1;
    }
    case "bfloat16": {
      const bits = new Uint32Array(into.buffer, into.byteOffset, length);
      const stored = new Uint16Array(buffer, byteOffset, length);
      // A bfloat16 is the upper half of a float32.
      for (let i = 0; i < length; i++) bits[i] = stored[i]! << 16;
      return -1;
    }
    case "int64":
      return copyLongs(new BigInt64Array(buffer, byteOffset, length), into);
    case "int32":
      return copyIntegers(new Int32Array(buffer, byteOffset, length), into);
    case "int16":
      return copyIntegers(new Int16Array(buffer, byteOffset, length), into);
    case "int8":
      return copyIntegers(new Int8Array(buffer, byteOffset, length), into);
    case "uint8":
      return copyIntegers(new Uint8Array(buffer, byteOffset, length), into);
    case "bool":
      for (let i = 0; i < length; i++) into[i] = bytes[i] === 0 ? 0 : 1;
      return -1;
  }
}
