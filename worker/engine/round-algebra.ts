/**
 * The coefficients of a round: what a step makes of its rows, and how a slice's residuals compose. They are small, and are
 * multiplied out here in double precision.
 */
import { nullWeight, type StepJacobian } from "../../shared/chain/jacobian.js";
import type { NoiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { type NoiseWeights, stepCoefficients } from "../../shared/diffusion/step.js";
import type { StepRows, StepWeights, Term } from "../../shared/kernels/state-rows.js";
import { type Part, parts } from "../../shared/kernels/state-space.js";

/** What the coefficients depend on besides the step. */
export interface StepAlgebra {
  readonly schedule: NoiseSchedule;
  readonly weights: NoiseWeights;
}

const onParts = <T>(make: (part: Part) => T): Record<Part, T> => ({
  range: make("range"),
  null: make("null"),
});

/** D: the product of the Jacobians of a slice's steps [from, to), by default of all from `from` on. */
export function transferOf(jacobians: readonly StepJacobian[], from: number, to?: number): StepJacobian {
  return onParts((part) => jacobians.slice(from, to).reduce((product, j) => product * j[part], 1));
}

/** f of one step of the chain, and J for its derivative. */
export function stepWeights(
  { schedule, weights }: StepAlgebra,
  step: number,
  jacobian: StepJacobian,
): Record<Part, StepWeights> {
  return onParts((part) => ({
    jacobian: jacobian[part],
    ...stepCoefficients(schedule, step, nullWeight[part], weights),
  }));
}

/** Adds up coefficients of rows. */
class Combination {
  readonly #rows = new Map<number, Record<Part, number>>();

  add(row: number, coefficients: (part: Part) => number): void {
    const sum = this.#rows.get(row) ?? { range: 0, null: 0 };
    for (const part of parts) sum[part] += coefficients(part);
    this.#rows.set(row, sum);
  }

  /** Rows that count, in ascending order. */
  terms(): Term[] {
    return [...this.#rows]
      .map(([row, on]) => ({ row, ...on }))
      .filter((term) => term.range !== 0 || term.null !== 0)
      .sort((a, b) => a.row - b.row);
  }

  /** Adds `factor` f(z_r). */
  addStep(steps: StepRows, r: number, factor: (part: Part) => number): void {
    const weights = steps.weights[r];
    this.add(steps.states + r, (part) => factor(part) * weights[part].state);
    this.add(steps.noise + r, (part) => factor(part) * weights[part].noiseEstimate);
    this.add(steps.measurement, (part) => factor(part) * weights[part].measurement);
    if (steps.fresh !== undefined)
      this.add(steps.fresh + r, (part) => factor(part) * weights[part].freshNoise);
  }
}

/** f(z_r) as a combination of rows. */
export function stepTerms(steps: StepRows, r: number): Term[] {
  const sum = new Combination();
  sum.addStep(steps, r, () => 1);
  return sum.terms();
}

/**
 * s: what delta_{r+1} = J_r delta_r + f(z_r) - z_{r+1} arrives at from delta_0 = 0, as a combination of rows.
 * @param beyond what becomes of it in steps that follow and were not evaluated
 */
export function compositionTerms(steps: StepRows, beyond: StepJacobian = { range: 1, null: 1 }): Term[] {
  const sum = new Combination();
  const carried = { ...beyond };
  for (let r = steps.weights.length - 1; r >= 0; r--) {
    sum.addStep(steps, r, (part) => carried[part]);
    sum.add(steps.states + r + 1, (part) => -carried[part]);
    for (const part of parts) carried[part] *= steps.weights[r][part].jacobian;
  }
  return sum.terms();
}
