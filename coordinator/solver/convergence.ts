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

/**
 * How many steps are final, given that `done` were and the residuals of the steps from `done` on: those that precede
 * the first residual above the final tolerance.
 */
export function finalSteps(done: number, meanSquares: readonly number[], steps: number): number {
  const limit = finalTolerance(steps) ** 2;
  const first = meanSquares.findIndex((meanSquare) => meanSquare > limit);
  return done + (first < 0 ? meanSquares.length : first);
}
