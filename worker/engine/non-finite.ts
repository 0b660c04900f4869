/** Numbers that are not finite, and whose fault they are. */
import { PictureError } from "../../shared/errors.js";
import type { SliceBuffer } from "./slice-buffer.js";

/** Where in a run the numbers arose. */
export interface Whereabouts {
  readonly pictureId: string;
  /** Timesteps of the buffer's steps. */
  readonly timesteps: readonly number[];
  /** E.g. `round 3`. */
  readonly when: string;
}

/**
 * Only once a sum is found not to be finite are the numbers themselves looked at, to name the timestep.
 * @param sums of what was made of the noise estimates of steps from `from` on
 * @throws PictureError naming the picture, the round and the timestep
 */
export function refuseNonFinite(
  sums: readonly number[],
  buffer: SliceBuffer,
  from: number,
  { pictureId, timesteps, when }: Whereabouts,
): void {
  if (sums.every((sum) => Number.isFinite(sum))) return;
  const steps = Array.from(sums, (_, i) => from + i);
  const broken = steps.find((r) => buffer.noise(r, r + 1).values.some((value) => !Number.isFinite(value)));
  if (broken === undefined) {
    throw new PictureError(
      `picture ${pictureId}: the states overflowed in ${when}; check the measurement's range`,
    );
  }
  throw brokenNetwork({ pictureId, timesteps, when }, broken);
}

/**
 * Of a round: an overflow of states that were carried away is reported, and the solver goes on from others; a network that
 * does not answer what it must be able to answer fails the picture.
 * @param sums of the residuals of steps from `from` on
 * @param exact the step that starts from an exact state, which the serial chain meets as well
 * @throws PictureError naming the picture, the round and the timestep
 */
export function refuseBrokenNetwork(
  sums: readonly number[],
  buffer: SliceBuffer,
  from: number,
  exact: number,
  whereabouts: Whereabouts,
): void {
  for (const [i, sum] of sums.entries()) {
    const r = from + i;
    if (Number.isFinite(sum) || buffer.noise(r, r + 1).values.every((value) => Number.isFinite(value)))
      continue;
    if (r === exact || rootMeanSquare(buffer.states(r, r + 1).values) <= answerable)
      throw brokenNetwork(whereabouts, r);
  }
}

/** States of noise and pictures are of order 1; NaN is above it. */
const answerable = 1e3;

const rootMeanSquare = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);

const brokenNetwork = ({ pictureId, timesteps, when }: Whereabouts, step: number): PictureError =>
  new PictureError(
    `picture ${pictureId}: the network's noise estimate is not finite in ${when} at timestep ${timesteps[step]}; check the model (fp16 overflow?) and the picture`,
  );
