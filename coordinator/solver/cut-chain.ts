/** Where a chain is cut. */

/** A run of steps [begin, end). */
export interface StepRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * Cuts T steps into at most `workers` slices whose lengths differ by at most one; with fewer steps than workers, one
 * step a slice. The longer slices come last: the noisy end converges first and leaves the batch first.
 */
export function cutChain(steps: number, workers: number): StepRange[] {
  const slices = Math.min(steps, workers);
  const border = (index: number) => Math.floor((index * steps) / slices);
  return Array.from({ length: slices }, (_, index) => ({ begin: border(index), end: border(index + 1) }));
}
