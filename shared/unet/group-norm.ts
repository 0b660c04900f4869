/**
 * Group normalisation (Wu and He 2018) in nodes every ONNX Runtime provider has: the channels of a group are joined to one
 * instance, normalised, and parted again.
 */
import type { Value, WeightType } from "../onnx/graph-builder.js";
import type { Feature, Layers } from "./layers.js";

/** Groups and epsilon of nn.GroupNorm. */
export interface NormOptions {
  readonly groups: number;
  readonly eps: number;
}

/** Factor and summand, each broadcasting over [N, channels, H, W], in float32. */
export interface Affine {
  readonly scale: Value;
  readonly shift: Value;
}

/** The learned factor and summand of the norm `name`. */
export const learnedAffine = (layers: Layers, name: string, channels: number): Affine => ({
  scale: layers.perChannel(`${name}.weight`, channels),
  shift: layers.perChannel(`${name}.bias`, channels),
});

/** norm(x) * scale + shift, computed in float32 and given back as `type`. */
export function groupNorm(
  layers: Layers,
  x: Feature,
  { groups, eps }: NormOptions,
  { scale, shift }: Affine,
  type: WeightType = layers.precision,
): Feature {
  const { graph } = layers;
  const wide = layers.cast(x, "float32");
  const grouped = graph.reshape(wide.value, [0, groups, -1]);
  const ones = graph.constant(new Float32Array(groups).fill(1), [groups]);
  const zeros = graph.constant(new Float32Array(groups), [groups]);
  const normed = graph.node("InstanceNormalization", [grouped, ones, zeros], { epsilon: { float: eps } });
  const value = graph.node("Add", [graph.node("Mul", [layers.reshapeLike(normed, wide), scale]), shift]);
  return layers.cast({ ...wide, value }, type);
}
