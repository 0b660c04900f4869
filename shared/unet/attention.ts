/**
 * Self-attention over the pixels of a feature (Vaswani et al. 2017), added to its input. All sources' forms become one
 * graph: their orders of heads, and the scale, are settled when the weights are read.
 */
import { type Affine, groupNorm, type NormOptions } from "./group-norm.js";
import type { Feature, Layers } from "./layers.js";
import type { ReadTensor } from "./network-tensors.js";

/** The projections to queries, keys and values, and back. */
export interface AttentionWeights {
  /** [3 C, C]: rows of all queries, all keys, all values; within each, head by head. */
  readonly qkvWeight: ReadTensor;
  /** [3 C], in the same order. */
  readonly qkvBias: ReadTensor;
  /** Name the joined projection gets in the graph. */
  readonly qkvName: string;
  /** [C, C] */
  readonly outWeight: ReadTensor;
  /** [C] */
  readonly outBias: ReadTensor;
  readonly outName: string;
}

/** What an attention is made of. */
export interface AttentionOptions {
  readonly heads: number;
  /** Absent where the attention sees its input as it is. */
  readonly norm?: NormOptions & { readonly affine: Affine };
  /** The sum is divided by this; 1 where absent. */
  readonly divisor?: number;
}

/** Joins tensors one behind the other. */
export const joined =
  (reads: readonly ReadTensor[]): ReadTensor =>
  async () => {
    const parts: Float32Array[] = [];
    for (const read of reads) parts.push(await read());
    const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  };

/**
 * Rows of guided-diffusion's legacy order (head by head, and in each its queries, keys and values) in the order of
 * {@link AttentionWeights} (queries, keys, values, and in each head by head).
 */
export const fromLegacyOrder =
  (read: ReadTensor, heads: number): ReadTensor =>
  async () => {
    const values = await read();
    const block = values.length / (3 * heads);
    const ordered = new Float32Array(values.length);
    for (let head = 0; head < heads; head++) {
      for (let part = 0; part < 3; part++) {
        const from = (head * 3 + part) * block;
        ordered.set(values.subarray(from, from + block), (part * heads + head) * block);
      }
    }
    return ordered;
  };

/** Queries and keys times `factor`: the scores' scale, shared by both so that float16 does not overflow. */
const scaled =
  (read: ReadTensor, factor: number): ReadTensor =>
  async () => {
    const values = await read();
    const end = (values.length / 3) * 2;
    for (let i = 0; i < end; i++) values[i] *= factor;
    return values;
  };

/** Writes an attention: x + out(softmax(q^T k / sqrt(C / heads)) v). */
export function attention(
  layers: Layers,
  x: Feature,
  weights: AttentionWeights,
  { heads, norm, divisor = 1 }: AttentionOptions,
): Feature {
  const { graph } = layers;
  const { channels } = x;
  const width = channels / heads;
  const factor = width ** -0.25;
  const pointwise = (
    input: Feature,
    name: string,
    out: number,
    weight: ReadTensor,
    bias: ReadTensor,
  ): Feature => {
    const value = graph.node("Conv", [
      input.value,
      layers.derived(`${name}.weight`, [out, channels, 1, 1], input.type, weight),
      layers.derived(`${name}.bias`, [out], input.type, bias),
    ]);
    return { ...input, value, channels: out };
  };
  const seen = norm ? groupNorm(layers, x, norm, norm.affine) : x;
  const { qkvName, outName } = weights;
  const qkv = pointwise(
    seen,
    qkvName,
    3 * channels,
    scaled(weights.qkvWeight, factor),
    scaled(weights.qkvBias, factor),
  );
  const perHead = graph.reshape(qkv.value, [0, 3 * heads, width, -1]);
  const [q, k, v] = graph.nodes("Split", [perHead, graph.integers([heads, heads, heads])], { axis: 1 }, 3);
  const transposed = (value: typeof q) => graph.node("Transpose", [value], { perm: [0, 1, 3, 2] });
  const scores = graph.node("MatMul", [transposed(q), k]);
  const wide = qkv.type === "float32" ? scores : graph.cast(scores, "float32");
  const softmax = graph.node("Softmax", [wide], { axis: -1 });
  const shares = qkv.type === "float32" ? softmax : graph.cast(softmax, qkv.type);
  // Transposing values and results costs pixels x channels; transposing the shares would cost pixels squared.
  const mixed = transposed(graph.node("MatMul", [shares, transposed(v)]));
  const h = { ...seen, value: layers.reshapeLike(mixed, seen) };
  return layers.divide(
    layers.add(x, pointwise(h, outName, channels, weights.outWeight, weights.outBias)),
    divisor,
  );
}
