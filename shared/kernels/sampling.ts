/**
 * Which numbers of a state are looked at where only sums of squares or inner products are needed. Looking at all of them
 * would cost more memory traffic than the correction itself.
 *
 * Positions are jittered: one at random in each of equally long runs, so that no regular mask, block or line spacing
 * can hide from them (every k-th pixel would miss a striped mask altogether). The parts are sampled apart, so that a
 * small part is not overlooked. Of spectral coordinates, whose energy lies in few, those of the lowest frequencies are all
 * counted, and the rest is sampled.
 */
import { philox4x32 } from "../diffusion/addressable-noise.js";
import type { FastBasis, PictureShape } from "../operators/operator.js";
import {
  graySize,
  type OnEachPart,
  type Part,
  rangeMask,
  riderSize,
  type StateSpace,
  spectralBasis,
  stateSize,
} from "./state-space.js";

/** Numbers of a part that suffice for a mean square: its error falls with their square root, to two or three per cent. */
const sampledNumbers = 2048;

/** Smaller states, those of 64x64 pictures and below, are measured whole. */
const wholeUpTo = 12288;

/** One of every run of `count / sampledNumbers` candidates; all if there are fewer, and never none. */
function jittered(candidates: (index: number) => number, count: number): number[] {
  const samples = Math.max(1, Math.min(count, sampledNumbers));
  const run = count / samples;
  const counter = new Uint32Array(4);
  return Array.from({ length: samples }, (_, index) => {
    counter.fill(0);
    counter[0] = index;
    philox4x32(counter, 0, 0);
    return candidates(Math.min(count - 1, Math.floor((index + counter[0] / 0x100000000) * run)));
  });
}

const itself = (index: number): number => index;

/** i with its lowest `bits` bits in reverse order. */
function reversed(i: number, bits: number): number {
  let reverse = 0;
  for (let b = 0; b < bits; b++) reverse |= ((i >> b) & 1) << (bits - 1 - b);
  return reverse;
}

/**
 * How often line or column i of a fast basis of length n changes its sign, up to a factor of two. A Walsh function of
 * Sylvester's order changes it every 2^b numbers, b being the lowest bit that is set in its index.
 */
const frequency = (fast: FastBasis, n: number) =>
  fast === "cosine" ? itself : (i: number) => reversed(i, Math.log2(n));

/** What of a part is measured. */
export interface PartSample {
  /**
   * Positions, ascending. On the null space and under a mask in the state; on the range of block means in the riders, of gray
   * values in the plane.
   */
  readonly positions: readonly number[];
  /** What the numbers there are multiplied by; undefined: nothing. */
  readonly weights?: readonly number[] | undefined;
  /** What a sum over them is multiplied by to stand for the whole part. */
  readonly factor: number;
}

/**
 * A part of spectral coordinates: all of the lowest frequencies, and of the rest every sample stands for its share.
 * @param members positions that belong to the part, ascending
 */
function spectralSample(
  members: readonly number[],
  fast: FastBasis,
  { height, width }: PictureShape,
): PartSample {
  if (members.length <= 2 * sampledNumbers) return { positions: members, factor: 1 };
  const [down, across] = [frequency(fast, height), frequency(fast, width)];
  const orders = Float64Array.from(members, (at, index) => {
    const squares = down(Math.floor((at % (height * width)) / width)) ** 2 + across(at % width) ** 2;
    return squares * members.length + index;
  }).sort();
  const byIndex = (from: number, to?: number) =>
    Array.from(orders.subarray(from, to), (order) => members[order % members.length]).sort((a, b) => a - b);
  const rest = byIndex(sampledNumbers);
  const share = Math.sqrt(rest.length / sampledNumbers);
  const measured = [
    ...byIndex(0, sampledNumbers).map((at) => ({ at, weight: 1 })),
    ...jittered((i) => rest[i], rest.length).map((at) => ({ at, weight: share })),
  ].sort((a, b) => a.at - b.at);
  return {
    positions: measured.map(({ at }) => at),
    weights: measured.map(({ weight }) => weight),
    factor: 1,
  };
}

/**
 * The samples of both parts; undefined where everything is measured where it lies: spaces made by matrices, and small
 * ones under a mask or of spectral coordinates.
 */
export function partSamples(space: StateSpace): Record<Part, PartSample> | undefined {
  const size = stateSize(space);
  const { kind } = space.basis;
  const fast = spectralBasis(space)?.fast;
  const few = riderSize(space) + graySize(space);
  if ((kind === "separable" && !fast) || (few === 0 && size <= wholeUpTo)) return undefined;
  const of = (positions: number[], count: number): PartSample => ({
    positions,
    factor: count / positions.length,
  });
  const whole = (count: number) =>
    of(
      Array.from({ length: count }, (_, i) => i),
      count,
    );
  const sample = (count: number) => (size <= wholeUpTo ? whole(count) : of(jittered(itself, count), count));
  if (few > 0) return { range: sample(few), null: sample(size) };
  const mask = rangeMask(space) ?? new Uint8Array();
  const members = (inRange: number) =>
    Array.from({ length: size }, (_, i) => i).filter((i) => mask[i % mask.length] === inRange);
  if (fast) {
    const of = (inRange: number) => spectralSample(members(inRange), fast, space.picture);
    return { range: of(1), null: of(0) };
  }
  // An empty part is stood for by one number that counts nothing.
  const sampleOf = (list: number[]) =>
    of(list.length > 0 ? jittered((i) => list[i], list.length) : [0], list.length);
  return { range: sampleOf(members(1)), null: sampleOf(members(0)) };
}

/** What sums over measured numbers are multiplied by to stand for the whole part. */
export const partFactors = (samples: Readonly<Record<Part, PartSample>> | undefined): OnEachPart => ({
  range: samples?.range.factor ?? 1,
  null: samples?.null.factor ?? 1,
});
