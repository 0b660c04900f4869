/** IEEE 754 binary16 values from float32: weights of `--fp16` models. */
import { InputError } from "../errors.js";

/** Largest finite float16 value. */
export const largestFloat16 = 65504;

/** Smallest magnitude whose nearest float16 is infinite (65520), as float32 bits. */
const overflowBits = 0x477ff000;
/** Smallest normal float16 (2^-14), as float32 bits. */
const normalBits = 0x38800000;
/** Half the smallest subnormal float16 (2^-25), as float32 bits: a tie that rounds to zero. */
const underflowBits = 0x33000000;

/** Magnitude bits of a value below the normal range: a multiple of 2^-24, rounded to nearest even. */
function subnormal(magnitude: number): number {
  if (magnitude <= underflowBits) return 0;
  const shift = 126 - (magnitude >>> 23);
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/**
 * Rounds float32 values to the nearest float16, ties to even, keeping subnormals. Returns the bit patterns.
 * @param name the tensor's name, for the error message
 * @throws InputError naming the tensor and the value where a value is not finite or rounds to infinity
 */
export function toFloat16(values: Float32Array, name: string): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let at = 0; at < bits.length; at++) {
    const sign = (bits[at] >>> 16) & 0x8000;
    const magnitude = bits[at] & 0x7fffffff;
    if (magnitude >= overflowBits) {
      throw new InputError(
        `tensor ${name}: the value ${values[at]} at position ${at} does not fit float16 (largest: ${largestFloat16}); import without --fp16`,
      );
    }
    halves[at] =
      sign |
      (magnitude >= normalBits
        ? (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13
        : subnormal(magnitude));
  }
  return halves;
}
