/**
 * States that were corrected ahead: by the residuals of their own slice, behind the evaluation that found them, as if the entry state
 * had no correction. What remains to be done once that is known, and how the exit state was before.
 */
import type { StepJacobian } from "../../shared/chain/jacobian.js";
import { transferOf } from "./round-algebra.js";
import type { SliceBuffer } from "./slice-buffer.js";

/**
 * Mean square of residuals up to which states, whose numbers are of size 1, are corrected before the other slices are heard: the exit
 * state as it was, which a lost neighbour is replaced from, is what the correction leaves when it is taken off.
 */
const largestAhead = 1e4;

/** Whether corrections by such residuals can be taken off again. Not if one is NaN. */
export const canGoAhead = (residuals: readonly number[]): boolean =>
  residuals.every((meanSquare) => meanSquare <= largestAhead);

/**
 * What the correction of the entry state makes of the others: z_r <- z_r + D_{0:r} delta_0.
 * @param correction delta_0; undefined for none
 * @param jacobians of the slice's steps, as they were when the states were corrected
 * @returns corrects states [from, to) so; each has to be before it is evaluated
 */
export function passCorrection(
  { block, entry, firstState }: SliceBuffer,
  correction: Float32Array | undefined,
  jacobians: readonly StepJacobian[],
): (from: number, to: number) => void {
  if (!correction) return () => {};
  block.rows(entry, entry + 1).values.set(correction);
  block.beginPass(entry);
  const factors = [...jacobians, undefined].map((_, r) => transferOf(jacobians, 0, r));
  return (from, to) => {
    for (let r = from; r < to; r++) block.pass(firstState + r, entry, factors[r]);
  };
}

/**
 * The exit state as it was before it was corrected, as the next slice has it still.
 * @returns its row, which the next correction overwrites
 */
export function exitBefore({ block, entry, exit, firstState, steps }: SliceBuffer): number {
  block.fillRiders(exit, exit + 1);
  const terms = [
    { row: firstState + steps, range: 1, null: 1 },
    { row: exit, range: -1, null: -1 },
  ];
  block.combine(terms, entry);
  return entry;
}
