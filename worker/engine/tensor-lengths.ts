/**
 * Tensors are compared with the canvas before any is used. One that is too short would otherwise leave the rest of a row as the
 * picture before had it, since rows are used again: a restoration that is wrong without looking so.
 */
import type { ChainSpec, SliceSpec } from "../../shared/chain/slice-host.js";
import { InputError } from "../../shared/errors.js";

function checkLength(
  what: string,
  values: ArrayLike<number> | undefined,
  channels: number,
  { pictureId, canvas: { height, width } }: ChainSpec,
): void {
  const needed = channels * height * width;
  if (values === undefined || values.length === needed) return;
  throw new InputError(
    `picture ${pictureId}: ${what} has ${values.length} numbers, and the canvas of ${height}x${width} (HxW) needs ${needed}`,
  );
}

/** A correction of the entry state. @throws InputError if it is not as long as a state */
export function checkCorrection(values: Float32Array | undefined, chain: ChainSpec): void {
  checkLength("the correction", values, 3, chain);
}

/** All tensors of a slice's setup. @throws InputError if one is not as long as the canvas has it */
export function checkTensors({ chain, seeds }: SliceSpec): void {
  checkLength("A^+ y", chain.pseudoInverse, 3, chain);
  checkLength("the mask", chain.mask, 1, chain);
  checkLength("the start noise", chain.initialState, 3, chain);
  checkLength("the entry state", seeds?.entry, 3, chain);
  checkLength("the exit state", seeds?.exit, 3, chain);
}
