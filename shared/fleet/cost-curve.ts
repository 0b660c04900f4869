/** tau(batch): what one call of the network costs a worker, against the number of states in it. */
import { InputError } from "../errors.js";

/** A measured call. */
export interface MeasuredCall {
  /** States, 1 or more. */
  readonly batch: number;
  /** Above 0. */
  readonly seconds: number;
}

/** Seconds of a call of `batch` states. */
export type CostCurve = (batch: number) => number;

/**
 * The broken line through measured points, in any order; it goes on beyond the largest batch as it came there. A single
 * point stands for cost proportional to the batch.
 * @throws InputError without a point at batch 1 (whole chains need it), with one given twice, or not positive
 */
export function costCurve(points: readonly MeasuredCall[]): CostCurve {
  const sorted = [...points].sort((a, b) => a.batch - b.batch);
  if (sorted[0]?.batch !== 1) throw new InputError("a cost curve needs the cost of batch 1");
  for (const [i, { batch, seconds }] of sorted.entries()) {
    if (!Number.isInteger(batch) || !(seconds > 0) || !Number.isFinite(seconds)) {
      throw new InputError(`cost of batch ${batch}: ${seconds} s; give whole batches and seconds above 0`);
    }
    if (sorted[i + 1]?.batch === batch) throw new InputError(`batch ${batch} is in the cost curve twice`);
  }
  const last = sorted.length - 1;
  return (batch) => {
    if (last === 0) return batch * sorted[0].seconds;
    const found = sorted.findIndex((point) => point.batch >= batch);
    const right = Math.max(1, found < 0 ? last : found);
    const [a, b] = [sorted[right - 1], sorted[right]];
    return a.seconds + ((batch - a.batch) / (b.batch - a.batch)) * (b.seconds - a.seconds);
  };
}
