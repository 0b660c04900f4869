/** Where a chain is cut. */

/** A run of steps [begin, end). */
export interface StepRange {
  readonly begin: number;
  readonly end: number;
}

/** Steps that two runs have in common. */
export const overlap = (a: StepRange, b: StepRange): number =>
  Math.max(0, Math.min(a.end, b.end) - Math.max(a.begin, b.begin));

/** Speeds that differ by less, of the smaller, are taken for equal: other work on a machine does as much. */
export const sameSpeed = 0.15;

/**
 * Cuts T steps into at most `workers` slices; with fewer steps than workers, one step a slice. Where the workers are equally
 * fast, or nothing is known of some, lengths differ by at most one. The longer slices come last: the noisy end converges first
 * and leaves the batch first. Else the slowest slice takes as little time as whole steps permit, each worker having one at least.
 * @param pace seconds a step takes each worker, in any unit
 */
export function cutChain(
  steps: number,
  workers: number,
  pace: (worker: number) => number | undefined = () => undefined,
): StepRange[] {
  const slices = Math.min(steps, workers);
  const seconds = Array.from({ length: slices }, (_, index) => pace(index) ?? 0);
  const [fastest, slowest] = [Math.min(...seconds), Math.max(...seconds)];
  const equal = !(fastest > 0) || slowest <= (1 + sameSpeed) * fastest;
  const lengths = equal ? equalLengths(steps, slices) : lengthsByPace(steps, seconds);
  let end = 0;
  return lengths.map((length) => {
    const begin = end;
    end += length;
    return { begin, end };
  });
}

function equalLengths(steps: number, slices: number): number[] {
  const border = (index: number) => Math.floor((index * steps) / slices);
  return Array.from({ length: slices }, (_, index) => border(index + 1) - border(index));
}

/** Gives every further step to the worker that is done first with it, of equal ones to the last. */
function lengthsByPace(steps: number, seconds: readonly number[]): number[] {
  const lengths = seconds.map(() => 1);
  for (let given = seconds.length; given < steps; given++) {
    const withOneMore = lengths.map((length, i) => (length + 1) * seconds[i]);
    lengths[withOneMore.lastIndexOf(Math.min(...withOneMore))]++;
  }
  return lengths;
}
