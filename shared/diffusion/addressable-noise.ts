/**
 * Randomness that can be addressed: every normal deviate is a pure function of (seed, picture, stream, position), so
 * any worker can produce any of the noise, a retried picture comes out the same and no plan changes a result.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) feeding Box-Muller.
 */
import { createHash } from "node:crypto";

const multiplierA = 0xd2511f53;
const multiplierB = 0xcd9e8d57;
const weylA = 0x9e3779b9;
const weylB = 0xbb67ae85;
const rounds = 10;

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers, in 32-bit arithmetic throughout. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  // Neither sum exceeds 32 bits.
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carry = ((middle & 0xffff) + Math.imul(aLow, bHigh)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** Philox4x32-10: encrypts the four-word counter in place under the two-word key. */
export function philox4x32(counter: Uint32Array, key0: number, key1: number): void {
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  let c0 = counter[0] | 0;
  let c1 = counter[1] | 0;
  let c2 = counter[2] | 0;
  let c3 = counter[3] | 0;
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplierA, c0);
    const high1 = multiplyHigh(multiplierB, c2);
    const low0 = Math.imul(multiplierA, c0);
    c0 = high1 ^ c1 ^ k0;
    c1 = Math.imul(multiplierB, c2);
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + weylA) | 0;
    k1 = (k1 + weylB) | 0;
  }
  counter[0] = c0;
  counter[1] = c1;
  counter[2] = c2;
  counter[3] = c3;
}

/** Where a noise tensor lives: the run's seed, the picture, and which of the picture's tensors it is. */
export interface NoiseAddress {
  /** 0 .. 2^53 - 1. */
  readonly seed: number;
  /** Identifies the picture within a dataset; its path relative to the dataset's root. */
  readonly pictureId: string;
  /** 0 for the initial state z_0, i + 1 for the fresh noise n_i of step i. */
  readonly stream: number;
}

/** Address of z_0. */
export const initialStateStream = 0;

/** Stream of the fresh noise n_i. */
export const stepStream = (step: number): number => step + 1;

/**
 * `count` standard normal deviates at an address. The same address gives the same values wherever it is evaluated.
 */
export function normalDeviates({ seed, pictureId, stream }: NoiseAddress, count: number): Float32Array {
  const digest = createHash("sha256").update(pictureId).digest();
  const pictureLow = digest.readUInt32LE(0);
  const pictureHigh = digest.readUInt32LE(4);
  const seedLow = seed >>> 0;
  const seedHigh = Math.floor(seed / 0x100000000) >>> 0;
  const out = new Float32Array(count);
  const block = new Uint32Array(4);
  for (let at = 0; at < count; at += 4) {
    block[0] = at / 4;
    block[1] = stream;
    block[2] = pictureLow;
    block[3] = pictureHigh;
    philox4x32(block, seedLow, seedHigh);
    for (let pair = 0; pair < 2; pair++) {
      // (word + 0.5) / 2^32 is never 0, so the logarithm is finite.
      const radius = Math.sqrt(-2 * Math.log((block[2 * pair] + 0.5) / 0x100000000));
      const angle = (2 * Math.PI * block[2 * pair + 1]) / 0x100000000;
      const index = at + 2 * pair;
      if (index < count) out[index] = radius * Math.cos(angle);
      if (index + 1 < count) out[index + 1] = radius * Math.sin(angle);
    }
  }
  return out;
}
