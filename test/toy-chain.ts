/** Small chains to solve in tests. */
import type { MethodName } from "../shared/chain/method.js";
import type { ChainSpec } from "../shared/chain/slice-host.js";
import type { NoiseWeights } from "../shared/diffusion/step.js";
import { seededValues } from "./seeded-values.js";
import { operatorOf, type TaskSample, taskSamples } from "./task-samples.js";

/** What distinguishes one toy chain from another. */
export interface ToyChainSettings {
  readonly steps: number;
  readonly method: MethodName;
  readonly sample?: TaskSample | undefined;
  readonly seed?: number | undefined;
  readonly weights?: NoiseWeights | undefined;
}

/** The chain of a random picture, degraded by the sample's operator (default: 4x4 block means of 8x8 pixels). */
export function toyChain({
  steps,
  method,
  sample = taskSamples[0],
  seed = 1,
  weights,
}: ToyChainSettings): ChainSpec {
  const operator = operatorOf(sample);
  const { height, width } = sample.size;
  const picture = seededValues(3 * height * width, seed);
  return {
    pictureId: "toy.png",
    seed,
    schedule: { steps, start: 1000, spacing: "uniform" },
    weights: weights ?? { etw: 0, nw: 0 },
    method,
    task: sample.settings,
    canvas: { height, width },
    mask: sample.mask?.kept,
    pseudoInverse: operator.pseudoInverse(operator.apply(picture)),
  };
}
