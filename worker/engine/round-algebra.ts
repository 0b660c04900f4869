/**
 * The coefficients of a round: every correction, residual and composition is a combination of the rows of a
 * {@link SliceBuffer}, with one coefficient matrix for the null space and one for the range. They are small, and are
 * multiplied out here in double precision.
 */
import { nullWeight, type StepJacobian } from "../../shared/chain/jacobian.js";
import type { NoiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { type NoiseWeights, stepCoefficients } from "../../shared/diffusion/step.js";
import type { Part } from "../../shared/kernels/state-space.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { matrix, type SliceBuffer } from "./slice-buffer.js";

/** One coefficient for every row of a buffer. */
type Combination = Float64Array;

/** Combinations on both parts; the same number on each. */
export type Combinations = Readonly<Record<Part, readonly Combination[]>>;

/** What the combinations need to know of the chain. */
export interface StepAlgebra {
  readonly schedule: NoiseSchedule;
  readonly weights: NoiseWeights;
  /** The chain's step that the buffer's step 0 is. */
  readonly begin: number;
}

/** D: the product of the Jacobians of the slice's steps from `from` on. */
export function transferOf(jacobians: readonly StepJacobian[], from: number): StepJacobian {
  const on = (part: Part) => jacobians.slice(from).reduce((product, j) => product * j[part], 1);
  return { range: on("range"), null: on("null") };
}

const bothParts = (make: (part: Part) => Combination[]): Combinations => ({
  range: make("range"),
  null: make("null"),
});

const unit = (buffer: SliceBuffer, row: number): Combination => {
  const combination = new Float64Array(buffer.end);
  combination[row] = 1;
  return combination;
};

/** z_r for steps r in [from, n). */
export function stateRows(buffer: SliceBuffer, from: number): Combinations {
  const rows = () =>
    Array.from({ length: buffer.steps - from }, (_, i) => unit(buffer, buffer.firstState + from + i));
  return bothParts(rows);
}

/** f(z_r) for steps r in [from, n). */
export function stepRows(
  buffer: SliceBuffer,
  { schedule, weights, begin }: StepAlgebra,
  from: number,
): Combinations {
  return bothParts((part) =>
    Array.from({ length: buffer.steps - from }, (_, i) => {
      const r = from + i;
      const c = stepCoefficients(schedule, begin + r, nullWeight[part], weights);
      const combination = unit(buffer, buffer.firstState + r);
      combination[buffer.firstState + r] = c.state;
      combination[buffer.firstNoise + r] = c.noiseEstimate;
      combination[buffer.firstOffset] = c.measurement;
      if (buffer.offsets > 1) combination[buffer.firstOffset + 1 + r] = c.freshNoise;
      return combination;
    }),
  );
}

/** f(z_r) - z_{r+1} for steps r in [from, n). */
export function residualRows(buffer: SliceBuffer, algebra: StepAlgebra, from: number): Combinations {
  const made = stepRows(buffer, algebra, from);
  for (const rows of [made.range, made.null]) {
    for (const [i, row] of rows.entries()) row[buffer.firstState + from + i + 1] -= 1;
  }
  return made;
}

/**
 * Corrections of states from..n by the scan delta_{r+1} = J_r delta_r + (f(z_r) - z_{r+1}).
 * @param entryMoves whether delta of state `from` is the entry row; if not, it is zero
 */
export function correctionRows(
  buffer: SliceBuffer,
  algebra: StepAlgebra,
  jacobians: readonly StepJacobian[],
  from: number,
  entryMoves: boolean,
): Combinations {
  const residuals = residualRows(buffer, algebra, from);
  return bothParts((part) => {
    let delta = entryMoves ? unit(buffer, 0) : new Float64Array(buffer.end);
    const deltas = [delta];
    for (const [i, residual] of residuals[part].entries()) {
      const j = jacobians[from + i][part];
      delta = residual.map((value, row) => value + j * delta[row]);
      deltas.push(delta);
    }
    return deltas;
  });
}

/** The corrected states from..n, given their corrections. */
export function correctedRows(buffer: SliceBuffer, corrections: Combinations, from: number): Combinations {
  return bothParts((part) =>
    corrections[part].map((delta, i) => {
      const combination = Float64Array.from(delta);
      combination[buffer.firstState + from + i] += 1;
      return combination;
    }),
  );
}

/** The last of the combinations alone. */
export const lastRow = ({ range, null: onNull }: Combinations): Combinations => ({
  range: range.slice(-1),
  null: onNull.slice(-1),
});

/** Inputs of the combine kernel over rows [firstRow, end) of the buffer. */
export function combineInputs(
  { range, null: onNull }: Combinations,
  firstRow: number,
): Record<string, Array32> {
  const columns = onNull[0].length - firstRow;
  return {
    null: matrix(onNull.length, columns, (i, j) => onNull[i][firstRow + j]),
    rangeMinusNull: matrix(
      onNull.length,
      columns,
      (i, j) => range[i][firstRow + j] - onNull[i][firstRow + j],
    ),
  };
}

/** Inputs `name.part` of the measuring kernels over rows [firstRow, end) of the buffer. */
export function measureInputs(
  name: string,
  combinations: Combinations,
  firstRow: number,
): Record<string, Array32> {
  const on = (rows: readonly Combination[]) =>
    matrix(rows.length, rows[0].length - firstRow, (i, j) => rows[i][firstRow + j]);
  return { [`${name}.null`]: on(combinations.null), [`${name}.range`]: on(combinations.range) };
}
