/** Steps that change hands when borders move: states, and what is kept of each step's last evaluation. */
import type { StepJacobian } from "../../shared/chain/jacobian.js";
import type { MovedSteps, StepRun } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import { stateSize } from "../../shared/kernels/state-space.js";
import type { SliceBuffer } from "./slice-buffer.js";

/** The states [first, past) that move with a run of steps. */
const statesOf = ({ begin, end, entry, exit }: StepRun): readonly [first: number, past: number] => {
  const first = entry ? begin : begin + 1;
  return [first, Math.max(first, exit ? end + 1 : end)];
};

/** Numbers of a run's states. */
const stateNumbers = (buffer: SliceBuffer, run: StepRun): number => {
  const [first, past] = statesOf(run);
  return stateSize(buffer.block.kernels.space) * (past - first);
};

/**
 * A copy of what a slice has of a run of the chain's steps.
 * @param begin the chain's step that the buffer's step 0 is
 * @param jacobians of the slice's steps
 */
export function copySteps(
  buffer: SliceBuffer,
  begin: number,
  run: StepRun,
  jacobians: readonly StepJacobian[],
): MovedSteps {
  const [from, to] = [run.begin - begin, run.end - begin];
  const { keptNumbers } = buffer.block.kept;
  const [first, past] = statesOf(run);
  const states = stateNumbers(buffer, run);
  const numbers = new Float32Array(states + keptNumbers * (to - from));
  numbers.set(buffer.states(first - begin, past - begin).values);
  for (let r = from; r < to; r++) {
    const at = states + (r - from) * keptNumbers;
    buffer.block.kept.readKept(r, numbers.subarray(at, at + keptNumbers));
  }
  return { ...run, jacobians: jacobians.slice(from, to), numbers };
}

/**
 * Writes what another slice gave into a buffer, but for its Jacobians.
 * @param begin the chain's step that the buffer's step 0 is
 * @throws RetryableError if it does not have the numbers of those steps
 */
export function writeSteps(buffer: SliceBuffer, begin: number, run: MovedSteps): void {
  const { keptNumbers } = buffer.block.kept;
  const [first, past] = statesOf(run);
  const states = stateNumbers(buffer, run);
  if (run.numbers.length !== states + keptNumbers * (run.end - run.begin)) {
    throw new RetryableError(`steps ${run.begin}..${run.end} were moved with ${run.numbers.length} numbers`);
  }
  buffer.states(first - begin, past - begin).values.set(run.numbers.subarray(0, states));
  for (let i = 0; i < run.end - run.begin; i++) {
    const at = states + i * keptNumbers;
    buffer.block.kept.writeKept(run.begin + i - begin, run.numbers.subarray(at, at + keptNumbers));
  }
}
