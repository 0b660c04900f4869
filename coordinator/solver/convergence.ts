/**
 * When the chain has converged, and which of its states are final.
 *
 * r_i = ||f_{i-1}(z_{i-1}) - z_i||^2 / d is compared with tol^2 sigma_i^2, the noise scale of the state (ParaDiGMS's
 * criterion, arXiv 2305.16317, applied to the first-order residual). The chain has converged when every r_i is below.
 */
import { type NoiseSchedule, residualScale } from "../../shared/diffusion/noise-schedule.js";

/** Largest root-mean-square residual of a state that may be called final. */
export function finalTolerance(steps: number): number {
  // Small enough that plain iteration with its final states left out still ends within 1e-4 of the serial picture
  // (1e-4 here ended at 2.2e-4); long chains add up more of it. Measured on the default prior.
  return steps >= 100 ? 1e-5 : 3e-5;
}

/**
 * sqrt(r) / (tol sigma) of the state step `step` makes: at or below 1 it has converged.
 * @param meanSquare r, the mean square of the residual
 */
export function residualRatio(
  schedule: NoiseSchedule,
  step: number,
  meanSquare: number,
  tolerance: number,
): number {
  return Math.sqrt(meanSquare) / (tolerance * residualScale(schedule, step));
}

/** The largest of some ratios, 0 of none; Infinity if one is not a number. */
export function largestOf(ratios: readonly number[]): number {
  const largest = Math.max(0, ...ratios);
  return Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest;
}

/** How many steps are within tolerance from `done` on: ParaDiGMS's slide of the window, but for its one step at least. */
export function toleratedSteps(done: number, ratios: readonly number[]): number {
  const first = ratios.findIndex((ratio) => !(ratio <= 1));
  return done + (first < 0 ? ratios.length : first);
}

/**
 * How many steps are final, given that `done` were and the residuals of the steps from `done` on: those that precede
 * the first residual above the final tolerance.
 */
export function finalSteps(done: number, meanSquares: readonly number[], steps: number): number {
  const limit = finalTolerance(steps) ** 2;
  // NaN is no state that may be called final.
  const first = meanSquares.findIndex((meanSquare) => !(meanSquare <= limit));
  return done + (first < 0 ? meanSquares.length : first);
}
