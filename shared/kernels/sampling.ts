/**
 * Which numbers of a state are looked at where only sums of squares or inner products are needed. Looking at all of them
 * would cost more memory traffic than the correction itself.
 *
 * Positions are jittered: one at random in each of equally long runs, so that no regular mask, block or line spacing
 * can hide from them (every k-th pixel would miss a striped mask altogether). The parts are sampled apart, so that a
 * small part is not overlooked. Spectral coordinates are all counted: their energy lies in few of them.
 */
import { philox4x32 } from "../diffusion/addressable-noise.js";
import { type Part, rangeMask, riderSize, type StateSpace, stateSize } from "./state-space.js";

/** Numbers of a part that suffice for a mean square: its error falls with their square root, to one or two per cent. */
const sampledNumbers = 6144;

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

/** What of a part is measured. */
export interface PartSample {
  /** Positions in a state; undefined: everything, restricted to the part. */
  readonly positions: readonly number[] | undefined;
  /** Numbers measured of one state. */
  readonly size: number;
  /** What a sum over them is multiplied by to stand for the whole part. */
  readonly factor: number;
}

/** The samples of both parts. Range coordinates that ride along are all measured. */
export function partSamples(space: StateSpace): Record<Part, PartSample> {
  const size = stateSize(space);
  const riders = riderSize(space);
  const all: PartSample = { positions: undefined, size, factor: 1 };
  const range = riders > 0 ? { ...all, size: riders } : all;
  if (size <= wholeUpTo || space.basis.kind === "separable") return { range, null: all };
  const of = (positions: number[], count: number): PartSample => ({
    positions,
    size: positions.length,
    factor: count / positions.length,
  });
  if (riders > 0)
    return {
      range,
      null: of(
        jittered((i) => i, size),
        size,
      ),
    };
  const mask = rangeMask(space);
  const members = (inRange: number) => [...mask.keys()].filter((i) => mask[i] === inRange);
  const [kept, missing] = [members(1), members(0)];
  // An empty part is stood for by one number that counts nothing.
  const sampleOf = (list: number[]) =>
    of(list.length > 0 ? jittered((i) => list[i], list.length) : [0], list.length);
  return { range: sampleOf(kept), null: sampleOf(missing) };
}
