/**
 * The layers the families share, written as ONNX nodes.
 *
 * Values between layers are {@link Feature}s. With float16 precision they travel as float16, except through the islands
 * that stay float32: norms, softmax, the time embedding and the last convolution.
 */
import type { GraphBuilder, Value, WeightType } from "../onnx/graph-builder.js";
import type { NetworkTensors, ReadTensor } from "./network-tensors.js";

/** Picture-shaped values, [N, channels, H / 2^level, W / 2^level]. */
export interface Feature {
  readonly value: Value;
  readonly channels: number;
  readonly level: number;
  readonly type: WeightType;
}

/** Size of the pictures at level 0, where the graph is written for one size only. */
export interface FixedSize {
  readonly height: number;
  readonly width: number;
}

/** Changes values when they are read: another order, a factor, fewer rows. */
export type Conversion = (values: Float32Array) => Float32Array;

/** A convolution's shape. */
export interface ConvOptions {
  readonly kernel: 1 | 3;
  readonly out: number;
  readonly stride?: 2;
  /** Zeros above, left, below and right; a margin of one all around for 3x3 by default. */
  readonly pads?: readonly [number, number, number, number];
  /** Keeps only the first so many output channels. */
  readonly keep?: number;
}

/** Writes layers into a graph, with weights from a checkpoint. */
export class Layers {
  readonly graph: GraphBuilder;
  readonly tensors: NetworkTensors;
  /** Element type of features and of the weights that meet them. */
  readonly precision: WeightType;
  readonly #fixed: FixedSize | undefined;

  constructor(graph: GraphBuilder, tensors: NetworkTensors, precision: WeightType, fixed?: FixedSize) {
    this.graph = graph;
    this.tensors = tensors;
    this.precision = precision;
    this.#fixed = fixed;
  }

  /** A weight with the name and values of one tensor of the checkpoint, perhaps in another shape. */
  weight(
    name: string,
    shape: readonly number[],
    { dims = shape, type = "float32" }: { dims?: readonly number[]; type?: WeightType } = {},
  ): Value {
    return this.graph.weight(name, dims, type, this.tensors.take(name, shape));
  }

  /** A weight made of tensors of the checkpoint when the model is written. */
  derived(name: string, dims: readonly number[], type: WeightType, read: ReadTensor): Value {
    return this.graph.weight(name, dims, type, read);
  }

  cast(x: Feature, type: WeightType): Feature {
    return x.type === type ? x : { ...x, value: this.graph.cast(x.value, type), type };
  }

  /** nn.Conv2d with the tensors `${name}.weight` and `${name}.bias`, in the feature's own precision. */
  conv(x: Feature, name: string, { kernel, out, stride, pads, keep = out }: ConvOptions): Feature {
    const shape = [out, x.channels, kernel, kernel];
    const weight = this.tensors.take(`${name}.weight`, shape);
    const bias = this.tensors.take(`${name}.bias`, [out]);
    const first =
      (read: ReadTensor, count: number): ReadTensor =>
      async () =>
        (await read()).subarray(0, count);
    const rows = keep * x.channels * kernel * kernel;
    const inputs = [
      x.value,
      this.derived(`${name}.weight`, [keep, ...shape.slice(1)], x.type, first(weight, rows)),
      this.derived(`${name}.bias`, [keep], x.type, first(bias, keep)),
    ];
    const margin = kernel === 3 ? 1 : 0;
    const value = this.graph.node("Conv", inputs, {
      kernel_shape: [kernel, kernel],
      strides: [stride ?? 1, stride ?? 1],
      pads: pads ?? [margin, margin, margin, margin],
    });
    return { ...x, value, channels: keep, level: x.level + (stride === 2 ? 1 : 0) };
  }

  /** nn.Linear of [N, inputs] with the tensors `${name}.weight` and `${name}.bias`, in float32. */
  linear(value: Value, name: string, inputs: number, outputs: number): Value {
    const weight = this.weight(`${name}.weight`, [outputs, inputs]);
    const bias = this.weight(`${name}.bias`, [outputs]);
    return this.graph.node("Gemm", [value, weight, bias], { transB: 1 });
  }

  /** x * sigmoid(x); ONNX Runtime fuses the pair. */
  siluOf(value: Value): Value {
    return this.graph.node("Mul", [value, this.graph.node("Sigmoid", [value])]);
  }

  silu(x: Feature): Feature {
    return { ...x, value: this.siluOf(x.value) };
  }

  /** Each pixel four times: nearest neighbour, twice the size. */
  upsample(x: Feature): Feature {
    const scales = this.graph.constant(Float32Array.of(1, 1, 2, 2), [4]);
    const value = this.graph.node("Resize", [x.value, "" as Value, scales], {
      mode: "nearest",
      coordinate_transformation_mode: "asymmetric",
      nearest_mode: "floor",
    });
    return { ...x, value, level: x.level - 1 };
  }

  /** Means of 2x2 pixels. */
  pool(x: Feature): Feature {
    const value = this.graph.node("AveragePool", [x.value], { kernel_shape: [2, 2], strides: [2, 2] });
    return { ...x, value, level: x.level + 1 };
  }

  add(a: Feature, b: Feature): Feature {
    return { ...a, value: this.graph.node("Add", [a.value, b.value]) };
  }

  /** x / factor; nothing for 1. */
  divide(x: Feature, factor: number): Feature {
    if (factor === 1) return x;
    return { ...x, value: this.graph.node("Div", [x.value, this.graph.scalar(factor, x.type)]) };
  }

  /** Channels of a, then channels of b. */
  concat(a: Feature, b: Feature): Feature {
    const value = this.graph.node("Concat", [a.value, b.value], { axis: 1 });
    return { ...a, value, channels: a.channels + b.channels };
  }

  /** A factor or summand for each channel, [channels, 1, 1], named as its tensor. */
  perChannel(name: string, channels: number, type: WeightType = "float32"): Value {
    return this.weight(name, [channels], { dims: [channels, 1, 1], type });
  }

  /** Gives `value`, which holds as many elements as `like`, the shape of `like`. */
  reshapeLike(value: Value, like: Feature): Value {
    if (this.#fixed === undefined) {
      return this.graph.node("Reshape", [value, this.graph.node("Shape", [like.value])]);
    }
    // A batch dimension of 0 keeps the value's own.
    const { height, width } = this.#fixed;
    return this.graph.reshape(value, [0, like.channels, height / 2 ** like.level, width / 2 ** like.level]);
  }
}
