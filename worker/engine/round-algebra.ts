/** The coefficient matrices of a round: how corrections and steps combine the rows of a {@link SliceBuffer}. */
import { nullWeight, type StepJacobian } from "../../shared/chain/jacobian.js";
import type { NoiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { type NoiseWeights, stepCoefficients } from "../../shared/diffusion/step.js";
import type { Part } from "../../shared/kernels/split-basis.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { matrix, type SliceBuffer } from "./slice-states.js";

/** Product of the Jacobians of the slice's steps [from, to) on one part. */
export function jacobianProduct(
  jacobians: readonly StepJacobian[],
  part: Part,
  from: number,
  to: number,
): number {
  let product = 1;
  for (let r = from; r < to; r++) product *= jacobians[r][part];
  return product;
}

/**
 * C of the scan on states [from, n]: C[i][j] = J_{i-1} .. J_j carries the source of state j to state i >= j.
 * @param entryMoves whether the source of state `from` counts; if not, that state is final
 */
export function scanMatrix(
  jacobians: readonly StepJacobian[],
  part: Part,
  from: number,
  steps: number,
  entryMoves: boolean,
): Array32 {
  const count = steps + 1 - from;
  return matrix(count, count, (i, j) => {
    if (j > i || (j === 0 && !entryMoves)) return 0;
    return jacobianProduct(jacobians, part, from + j, from + i);
  });
}

/** Corrected states [from, n] from the rows [source of `from`, end of states): z + C . source. */
export function correctionMatrix(buffer: SliceBuffer, scan: Array32, from: number): Array32 {
  const count = scan.dims[0];
  return matrix(count, count + buffer.steps + 1, (i, j) => {
    if (j < count) return scan.values[i * count + j];
    return j - count === from + i ? 1 : 0;
  });
}

/** What the matrix of a step needs to know of the chain. */
export interface StepAlgebra {
  readonly schedule: NoiseSchedule;
  readonly weights: NoiseWeights;
  /** The chain's step that the buffer's step 0 is. */
  readonly begin: number;
}

/**
 * f(z_r) - z_{r+1} (or f(z_r) alone) for steps r in [from, n), from the rows [state `from`, end of the block).
 */
export function stepMatrix(
  buffer: SliceBuffer,
  { schedule, weights, begin }: StepAlgebra,
  part: Part,
  from: number,
  subtractNext: boolean,
): Array32 {
  const count = buffer.steps - from;
  const firstRow = buffer.firstState + from;
  const coefficients = Array.from({ length: count }, (_, i) =>
    stepCoefficients(schedule, begin + from + i, nullWeight[part], weights),
  );
  return matrix(count, buffer.end - firstRow, (i, column) => {
    const row = firstRow + column;
    const step = from + i;
    const c = coefficients[i];
    if (row === buffer.firstState + step) return c.state;
    if (row === buffer.firstState + step + 1 && row < buffer.firstNoise) return subtractNext ? -1 : 0;
    if (row === buffer.firstNoise + step) return c.noiseEstimate;
    if (row === buffer.firstOffset) return c.measurement;
    return row === buffer.firstOffset + 1 + step ? c.freshNoise : 0;
  });
}
