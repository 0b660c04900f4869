/**
 * Which numbers of a state are looked at where only sums of squares or inner products are needed. Looking at all of them
 * would cost more memory traffic than the correction itself.
 *
 * Positions are jittered: one at random in each of equally long runs, so that no regular mask, block or line spacing
 * can hide from them (every k-th pixel would miss a striped mask altogether). The parts are sampled apart, so that a
 * small part is not overlooked. Spectral coordinates are all counted: their energy lies in few of them.
 */
import { philox4x32 } from "../diffusion/addressable-noise.js";
import {
  type OnEachPart,
  type Part,
  rangeMask,
  riderSize,
  type StateSpace,
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

/** What of a part is measured. */
export interface PartSample {
  /**
   * Positions, ascending. On the null space and under a mask in the state; on the range of block means and gray values
   * in the riders.
   */
  readonly positions: readonly number[];
  /** What a sum over them is multiplied by to stand for the whole part. */
  readonly factor: number;
}

/**
 * The samples of both parts; undefined where everything is measured where it lies: spaces made by matrices, and small
 * ones under a mask.
 */
export function partSamples(space: StateSpace): Record<Part, PartSample> | undefined {
  const size = stateSize(space);
  const { kind } = space.basis;
  if (kind === "separable" || (kind === "pixel-mask" && size <= wholeUpTo)) return undefined;
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
  if (riderSize(space) > 0) return { range: sample(riderSize(space)), null: sample(size) };
  const mask = rangeMask(space) ?? new Uint8Array();
  const members = (inRange: number) =>
    Array.from({ length: size }, (_, i) => i).filter((i) => mask[i % mask.length] === inRange);
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
