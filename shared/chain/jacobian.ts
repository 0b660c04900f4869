/**
 * J_i, the stand-in for the Jacobian of step i: one scalar for the range of A and one for its null space. The cheaper
 * and closer it is, the fewer rounds; whatever it is, one more state is exact after every round.
 */
import { type NoiseSchedule, noiseLevel } from "../diffusion/noise-schedule.js";
import { type NoiseWeights, stepCoefficients } from "../diffusion/step.js";
import type { Part } from "../kernels/state-space.js";

/** J_i on each part. */
export type StepJacobian = Readonly<Record<Part, number>>;

/** Null weights of the parts for a noiseless measurement: L = I on the range. */
export const nullWeight: Readonly<Record<Part, number>> = { range: 0, null: 1 };

/** d f_i / d z with the noise estimate held fixed: DeqIR's joint system. */
export function heldNoiseJacobian(
  schedule: NoiseSchedule,
  step: number,
  weights: NoiseWeights,
): StepJacobian {
  const on = (part: Part) => stepCoefficients(schedule, step, nullWeight[part], weights).state;
  return { range: on("range"), null: on("null") };
}

/** d f_i / d z with the predicted picture held fixed: sigma_{i+1} / sigma_i on both parts. The guess before any secant. */
export function heldPictureJacobian(schedule: NoiseSchedule, step: number): StepJacobian {
  const ratio = noiseLevel(schedule, step + 1) / noiseLevel(schedule, step);
  return { range: ratio, null: ratio };
}

/** d f_i / d z with the step's change f_i(z) - z held fixed: ParaDiGMS's sums (arXiv 2305.16317, eq. 5). */
export const heldChangeJacobian: StepJacobian = { range: 1, null: 1 };

/** Inner products over one part of one state: <dz, df> and <dz, dz> between the last two rounds. */
export interface SecantProducts {
  readonly dzdf: number;
  readonly dzdz: number;
}

/**
 * The secant estimate <dz, df> / <dz, dz>, clipped to [0, m_i] with m_i = sqrt(abar_{i+1} / abar_i), the largest factor
 * by which a step can carry an error on. Where the state did not move, or overflowed, the previous estimate stands.
 */
export function secantJacobian(
  schedule: NoiseSchedule,
  step: number,
  products: Readonly<Record<Part, SecantProducts>>,
  previous: StepJacobian,
): StepJacobian {
  const largest = Math.sqrt(schedule.signal[step + 1] / schedule.signal[step]);
  const on = (part: Part) => {
    const { dzdf, dzdz } = products[part];
    const secant = dzdf / dzdz;
    return Number.isFinite(secant) ? Math.min(largest, Math.max(0, secant)) : previous[part];
  };
  return { range: on("range"), null: on("null") };
}
