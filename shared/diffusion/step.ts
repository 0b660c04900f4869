/**
 * One step of the chain: DDNM consistency followed by the DDIM update with DeqIR's noise weights.
 *
 *     x0   = (z - sigma eps) / sqrt(abar)
 *     xhat = x0 - V L V^T (x0 - A^+ y)
 *     z'   = sqrt(abar') xhat + c2 eps + c1 n,   c2 = sigma' sqrt(1 - etw^2),   c1 = sigma' nw
 *
 * In a spectral coordinate with consistency weight l (an entry of L: 1 where the measurement is trusted fully, 0 in
 * the null space of A, between the two for the DDNM+ spectrum of a noisy measurement) it is affine in (z, eps):
 *
 *     z' = k m z + (c2 - k m sigma) eps + (1 - k) sqrt(abar') ybar + c1 n,   k = 1 - l,   m = sqrt(abar' / abar)
 *
 * which is all that the slices compute. A noise level on y changes k from {0, 1} to a vector, and nothing else.
 *
 * Source: DDNM (arXiv 2212.00490, eq. 13 and 17), DDIM (2010.02502, eq. 12), DeqIR (2311.11600, eq. 6).
 */
import { type NoiseSchedule, noiseLevel } from "./noise-schedule.js";

/** DeqIR's weights of predicted noise and fresh noise. */
export interface NoiseWeights {
  /** `etw` in [0, 1]: how much of the predicted noise is dropped; 0 keeps all of it (DDIM). */
  readonly etw: number;
  /** `nw` >= 0: how much fresh noise is added; 0 adds none. */
  readonly nw: number;
}

/** z' = z * state + eps * noiseEstimate + ybar * measurement + n * freshNoise. */
export interface StepCoefficients {
  readonly state: number;
  readonly noiseEstimate: number;
  readonly measurement: number;
  readonly freshNoise: number;
}

/**
 * Coefficients of step i in a coordinate whose null weight k = 1 - l is given.
 * @param nullWeight k in [0, 1]: 1 in the null space, 0 in the range of A for a noiseless measurement
 */
export function stepCoefficients(
  schedule: NoiseSchedule,
  step: number,
  nullWeight: number,
  weights: NoiseWeights,
): StepCoefficients {
  const ratio = Math.sqrt(schedule.signal[step + 1] / schedule.signal[step]);
  const nextNoise = noiseLevel(schedule, step + 1);
  const state = nullWeight * ratio;
  return {
    state,
    noiseEstimate: nextNoise * Math.sqrt(1 - weights.etw ** 2) - state * noiseLevel(schedule, step),
    measurement: (1 - nullWeight) * Math.sqrt(schedule.signal[step + 1]),
    freshNoise: nextNoise * weights.nw,
  };
}
