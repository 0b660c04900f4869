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
  throw new PictureError(
    `picture ${pictureId}: the network's noise estimate is not finite in ${when} at timestep ${timesteps[broken]}; check the model (fp16 overflow?) and the picture`,
  );
}
