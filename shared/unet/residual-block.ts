/**
 * The residual block of all three families: norm, SiLU, convolution, the time embedding, norm, SiLU, convolution, plus the
 * input. A block that resamples does so between SiLU and convolution, and on the input.
 */
import type { Value } from "../onnx/graph-builder.js";
import { type Affine, groupNorm, learnedAffine, type NormOptions } from "./group-norm.js";
import type { Feature, Layers } from "./layers.js";
import { upsampledConv } from "./upsampled-conv.js";

/** The names of a block's tensors, without `.weight` and `.bias`. */
export interface ResidualNames {
  readonly norm1: string;
  readonly conv1: string;
  readonly embedding: string;
  readonly norm2: string;
  readonly conv2: string;
  /** The 1x1 convolution of the input, where the block changes the number of channels. */
  readonly skip: string;
}

/** What a block is made of. */
export interface ResidualOptions {
  readonly out: number;
  readonly norm: NormOptions;
  /** The embedding scales and shifts the second norm (FiLM) instead of being added before it. */
  readonly scaleShift: boolean;
  readonly resample?: "up" | "down" | undefined;
  /** The sum is divided by this; 1 where absent. */
  readonly divisor?: number;
}

/** SiLU of the time embedding, [N, width]. */
export interface TimeEmbedding {
  readonly value: Value;
  readonly width: number;
}

/** Linear layer of the embedding, as [N, outputs, 1, 1]. */
function project(layers: Layers, embedding: TimeEmbedding, name: string, outputs: number): Value {
  const projected = layers.linear(embedding.value, name, embedding.width, outputs);
  return layers.graph.reshape(projected, [0, outputs, 1, 1]);
}

/**
 * norm(h) (1 + s) + b with s, b = linear(embedding), where norm has its own factor g and summand c: that is
 * normalised(h) * (g + g s) + (c + c s + b), and both factors are linear in the embedding. So the norm's parameters are
 * folded into the linear layer's when they are read, and the block costs one multiplication and one addition.
 */
function modulation(
  layers: Layers,
  embedding: TimeEmbedding,
  { norm2, embedding: name }: ResidualNames,
  channels: number,
): Affine {
  const { graph, tensors } = layers;
  const { width } = embedding;
  const readWeight = tensors.take(`${name}.weight`, [2 * channels, width]);
  const readBias = tensors.take(`${name}.bias`, [2 * channels]);
  const readGain = tensors.take(`${norm2}.weight`, [channels]);
  const readOffset = tensors.take(`${norm2}.bias`, [channels]);
  // Row r of the scales meets row channels + r of the shifts; `one` is the 1 of 1 + s, 0 in the matrix.
  const fold = async (values: Float32Array, columns: number, one: number): Promise<Float32Array> => {
    const [gain, offset] = [await readGain(), await readOffset()];
    for (let channel = 0; channel < channels; channel++) {
      for (let column = 0; column < columns; column++) {
        const at = channel * columns + column;
        const scale = values[at] + one;
        values[at] = gain[channel] * scale;
        values[at + channels * columns] += offset[channel] * scale;
      }
    }
    return values;
  };
  const weight = layers.derived(`${name}.weight`, [2 * channels, width], "float32", async () =>
    fold(await readWeight(), width, 0),
  );
  const bias = layers.derived(`${name}.bias`, [2 * channels], "float32", async () =>
    fold(await readBias(), 1, 1),
  );
  const projected = graph.node("Gemm", [embedding.value, weight, bias], { transB: 1 });
  const columns = graph.reshape(projected, [0, 2 * channels, 1, 1]);
  const [scale, shift] = graph.nodes(
    "Split",
    [columns, graph.integers([channels, channels])],
    { axis: 1 },
    2,
  );
  return { scale, shift };
}

/** Writes a residual block. */
export function residualBlock(
  layers: Layers,
  x: Feature,
  embedding: TimeEmbedding,
  names: ResidualNames,
  { out, norm, scaleShift, resample, divisor = 1 }: ResidualOptions,
): Feature {
  const resampled = (f: Feature) =>
    resample === "up" ? layers.upsample(f) : resample === "down" ? layers.pool(f) : f;
  const first = layers.silu(groupNorm(layers, x, norm, learnedAffine(layers, names.norm1, x.channels)));
  let h =
    resample === "up"
      ? upsampledConv(layers, first, names.conv1, out)
      : layers.conv(resampled(first), names.conv1, { kernel: 3, out });
  let affine: Affine;
  if (scaleShift) {
    affine = modulation(layers, embedding, names, out);
  } else {
    // Added inside the norm's float32 island.
    const summand = project(layers, embedding, names.embedding, out);
    const wide = layers.cast(h, "float32");
    h = { ...wide, value: layers.graph.node("Add", [wide.value, summand]) };
    affine = learnedAffine(layers, names.norm2, out);
  }
  h = layers.conv(layers.silu(groupNorm(layers, h, norm, affine)), names.conv2, { kernel: 3, out });
  const input = resampled(x);
  const skip = x.channels === out ? input : layers.conv(input, names.skip, { kernel: 1, out });
  return layers.divide(layers.add(skip, h), divisor);
}
