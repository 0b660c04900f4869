/**
 * Sinusoidal timestep embeddings, always in float32: float16 cannot tell neighbouring timesteps above 512 apart.
 *
 * Sources: Ho et al. 2020 (after Vaswani et al. 2017); guided-diffusion `nn.py`, SDEdit `models/diffusion.py` and diffusers
 * `embeddings.py`, which differ in the order of sine and cosine and in the exponent's denominator.
 */
import type { Value } from "../onnx/graph-builder.js";
import type { Layers } from "./layers.js";

/** How a family writes the embedding. */
export interface EmbeddingForm {
  /** Length of the embedding, even. */
  readonly size: number;
  /** True for [cos, sin], false for [sin, cos]. */
  readonly cosineFirst: boolean;
  /** The exponent is i / (size / 2 - shift). */
  readonly shift: number;
}

const longestPeriod = 10_000;

/**
 * Frequencies exp(-ln(10000) i / (half - shift)), each operation rounded to float32: an angle is up to 999 times the
 * frequency, so another rounding would show in the fifth digit.
 */
export function frequencies({ size, shift }: EmbeddingForm): Float32Array {
  const half = size / 2;
  const { fround } = Math;
  const rate = fround(-Math.log(longestPeriod));
  return Float32Array.from({ length: half }, (_, i) => Math.exp(fround(fround(rate * i) / (half - shift))));
}

/** The embedding of t [N]: [N, size]. */
function sinusoids(layers: Layers, t: Value, form: EmbeddingForm): Value {
  const { graph } = layers;
  const column = graph.reshape(t, [-1, 1]);
  const angles = graph.node("Mul", [column, graph.constant(frequencies(form), [1, form.size / 2])]);
  const cosine = graph.node("Cos", [angles]);
  const sine = graph.node("Sin", [angles]);
  return graph.node("Concat", form.cosineFirst ? [cosine, sine] : [sine, cosine], { axis: 1 });
}

/**
 * What every residual block projects: SiLU of the two-layer perceptron of the embedding, [N, width].
 * @param names the perceptron's two linear layers
 */
export function timeEmbedding(
  layers: Layers,
  t: Value,
  form: EmbeddingForm,
  names: readonly [string, string],
  width: number,
): Value {
  const hidden = layers.siluOf(layers.linear(sinusoids(layers, t, form), names[0], form.size, width));
  return layers.siluOf(layers.linear(hidden, names[1], width, width));
}
