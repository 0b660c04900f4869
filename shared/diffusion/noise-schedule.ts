/**
 * The noise schedule and the timesteps of a chain, indexed the way data flows: state 0 is pure noise, state T the
 * restored picture. Step i takes state i (at diffusion time t_i) to state i + 1.
 *
 * Source: DeqIR's `get_timestep_sequence_sr` and `compute_alpha` (arXiv 2311.11600), DDPM's linear betas.
 */
import { InputError } from "../errors.js";

/** Number of diffusion timesteps the prior was trained on. */
export const trainingTimesteps = 1000;

/** How the T timesteps are spread over [0, start): evenly, or denser towards 0 as squares. */
export const timestepSpacings = ["uniform", "quad"] as const;
export type TimestepSpacing = (typeof timestepSpacings)[number];

/** Settings of a chain's noise schedule. */
export interface ScheduleSettings {
  /** T, the number of steps. 1 to `start`. */
  readonly steps: number;
  /** Diffusion time the chain starts below, 1..1000. DeqIR: 1000. */
  readonly start: number;
  readonly spacing: TimestepSpacing;
}

/** Timesteps and cumulative signal levels of a chain of T steps. */
export interface NoiseSchedule {
  /** T. */
  readonly steps: number;
  /** t_i for i = 0..T-1, falling, in [0, 999]. */
  readonly timesteps: readonly number[];
  /** abar_i for i = 0..T; abar_T = 1: the restored picture carries no noise. */
  readonly signal: Float64Array;
}

/** Cumulative products abar_t of the linear betas 1e-4..0.02 over 1000 timesteps; index t in [0, 999]. */
const cumulative = ((): Float64Array => {
  const signal = new Float64Array(trainingTimesteps);
  let product = 1;
  for (let t = 0; t < trainingTimesteps; t++) {
    product *= 1 - (1e-4 + ((0.02 - 1e-4) * t) / (trainingTimesteps - 1));
    signal[t] = product;
  }
  return signal;
})();

/** Rising timesteps of DeqIR's `uniform` (multiples of floor(start / T)) and `quad` (squares up to 0.8 start). */
function risingTimesteps({ steps, start, spacing }: ScheduleSettings): number[] {
  if (spacing === "uniform") {
    const skip = Math.floor(start / steps);
    return Array.from({ length: steps }, (_, i) => i * skip);
  }
  // As numpy.linspace computes it: truncation would turn another order of operations into other timesteps.
  const last = Math.sqrt(start * 0.8);
  const spacingOf = last / Math.max(1, steps - 1);
  return Array.from({ length: steps }, (_, i) =>
    Math.trunc((i > 0 && i === steps - 1 ? last : i * spacingOf) ** 2),
  );
}

/**
 * The noise schedule of a chain.
 * @throws InputError if steps or start are out of range
 */
export function noiseSchedule(settings: ScheduleSettings): NoiseSchedule {
  const { steps, start } = settings;
  if (!Number.isInteger(start) || start < 1 || start > trainingTimesteps) {
    throw new InputError(`--start ${start}: must be a whole number from 1 to ${trainingTimesteps}`);
  }
  if (!Number.isInteger(steps) || steps < 1 || steps > start) {
    throw new InputError(`--steps ${steps}: must be a whole number from 1 to --start (${start})`);
  }
  const timesteps = risingTimesteps(settings).reverse();
  const signal = Float64Array.from([...timesteps.map((t) => cumulative[t]), 1]);
  return { steps, timesteps, signal };
}

/** The noise level sigma_i = sqrt(1 - abar_i) of state i. */
export function noiseLevel(schedule: NoiseSchedule, state: number): number {
  return Math.sqrt(Math.max(0, 1 - schedule.signal[state]));
}

/**
 * The scale residuals of state i + 1 are measured on: sigma_{i+1}, and for the last state, which carries no noise,
 * the sigma of the state it is made from (a relative tolerance on a scale of zero could never be met).
 */
export function residualScale(schedule: NoiseSchedule, step: number): number {
  return noiseLevel(schedule, step + 1 < schedule.steps ? step + 1 : step);
}
