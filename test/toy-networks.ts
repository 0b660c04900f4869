/** Noise estimators that cost nothing: peers of the ONNX network for tests of the arithmetic. */
import type { NetworkCard } from "../shared/chain/network-card.js";
import type { PictureSize } from "../shared/operators/task.js";
import type { NoiseEstimator } from "../worker/engine/network.js";
import { seededValues } from "./seeded-values.js";

const card: NetworkCard = { hash: "toy", sizeMultiple: 1, fixedSize: undefined };

/** Estimates one picture [3, H, W] at timestep t. */
type Estimate = (x: Float32Array, t: number, size: PictureSize) => Float32Array;

/** Applies an estimate to a batch and counts the pictures. */
class ToyNetwork implements NoiseEstimator {
  readonly card = card;
  evaluations = 0;
  readonly #estimate: Estimate;

  constructor(estimate: Estimate) {
    this.#estimate = estimate;
  }

  async evaluate(
    x: Float32Array,
    timesteps: readonly number[],
    size: PictureSize,
    out: Float32Array,
  ): Promise<void> {
    const pixels = 3 * size.height * size.width;
    for (const [i, t] of timesteps.entries()) {
      this.evaluations++;
      out.set(this.#estimate(x.subarray(i * pixels, (i + 1) * pixels), t, size), i * pixels);
    }
  }
}

/** The mean of a pixel and its neighbours above, below, left and right; the picture wraps around. */
function localAverage(x: Float32Array, { height, width }: PictureSize): Float32Array {
  return x.map((v, at) => {
    const column = at % width;
    const row = Math.floor(at / width) % height;
    const plane = at - row * width - column;
    const pixel = (i: number, j: number) =>
      x[plane + ((i + height) % height) * width + ((j + width) % width)];
    return (
      (v +
        pixel(row - 1, column) +
        pixel(row + 1, column) +
        pixel(row, column - 1) +
        pixel(row, column + 1)) /
      5
    );
  });
}

/**
 * Smooth, nonlinear and bounded: eps = tanh(gain (a local average of x) + phase(t)).
 * @param gain 0 ignores the state
 */
export const smoothToy = (gain: number): ToyNetwork =>
  new ToyNetwork((x, t, size) =>
    localAverage(x, size).map((v) => Math.tanh(gain * v + 0.3 * Math.sin(t / 70))),
  );

/** Affine: eps = slope(t) x + offset(t), slopes and offsets chosen by the seed. |slope| <= 1/2. */
export const affineToy = (seed: number): ToyNetwork =>
  new ToyNetwork((x, t) => {
    const [slope, offset] = seededValues(2, seed + 1000 * t);
    return x.map((v) => 0.5 * (slope * v + offset));
  });

/**
 * Answers with a state near its own, which keeps the chain within |x| < 8; beyond, with numbers that no sum in float32
 * survives.
 */
export const brittleToy = (gain: number): ToyNetwork =>
  new ToyNetwork((x, t, size) =>
    localAverage(x, size).map((v, at) =>
      Math.abs(x[at]) < 8 ? x[at] + gain * Math.sin(3 * v + t / 70) : 3e38,
    ),
  );

/** Bounded, and so steep that what a round learned says nothing of the next. */
export const roughToy = (frequency: number): ToyNetwork =>
  new ToyNetwork((x, t) => x.map((v) => Math.sin(frequency * v + t / 70)));
