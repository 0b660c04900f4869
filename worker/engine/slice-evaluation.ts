/** The network's calls of a round. */
import { picturesPerCall } from "../../shared/chain/batch-limits.js";
import type { ChainSpec } from "../../shared/chain/slice-host.js";
import type { NoiseEstimator } from "./network.js";
import type { SliceBuffer } from "./slice-buffer.js";

/** Seconds since an arbitrary moment. */
const now = (): number => performance.now() / 1000;

/** What is evaluated. */
export interface Evaluation {
  readonly network: NoiseEstimator;
  readonly canvas: ChainSpec["canvas"];
  /** Steps of the slice, from..to of which are evaluated. */
  readonly from: number;
  readonly to: number;
  /** Of all steps of the slice. */
  readonly timesteps: readonly number[];
  /** Called for the states [from, to) of each call before it. */
  readonly pass: (from: number, to: number) => void;
}

/**
 * Noise estimates of steps of a buffer, and of those and their states the numbers that will be measured.
 * @returns seconds in the network
 */
export async function evaluateSteps(
  buffer: SliceBuffer,
  { network, canvas, from, to, timesteps, pass }: Evaluation,
): Promise<number> {
  const { block, firstState, firstNoise } = buffer;
  const pixels = network.roundPixels ?? Number.POSITIVE_INFINITY;
  const together = picturesPerCall({ pictures: timesteps.length, pixels }, canvas);
  const steps = buffer.rowsFrom(from);
  let seconds = 0;
  // Call by call, so that the passes before and behind a call find its states in the cache.
  for (let r = from; r < to; r += together) {
    const end = Math.min(to, r + together);
    pass(r, end);
    // Where states are pictures the network reads and writes the buffer itself.
    const x = await block.pictures(firstState + r, firstState + end);
    const started = now();
    await network.evaluate(x.values, timesteps.slice(r, end), canvas, buffer.noise(r, end).values);
    seconds += now() - started;
    await block.fromPictures(firstNoise + r, firstNoise + end);
    for (let step = r; step < end; step++) block.gather(steps, step - from);
  }
  return seconds;
}
