/**
 * Builds ONNX graphs: the spectral transforms, scans and norms between two network calls, and the networks themselves,
 * run in ONNX Runtime, not in JavaScript loops. Weights of networks are named here and read when the model is written.
 */
import { version } from "../version.js";
import { toFloat16 } from "./float16.js";
import {
  type Attributes,
  type ConstantType,
  type Dimension,
  elementCount,
  type GraphContents,
  type GraphInitializer,
  type GraphNode,
  type GraphValue,
} from "./graph-contents.js";
import { encodeGraph } from "./model-layout.js";
import { type ElementType, elementCodes } from "./onnx-proto.js";

export type { Attributes, Dimension } from "./graph-contents.js";

/** A value of the graph: the name of a node's output, an input or a constant. */
export type Value = string & { readonly __value: unique symbol };

/** Element types of weights. */
export type WeightType = "float32" | "float16";

/** Element types of inputs and outputs. */
export type PortType = "float32" | "float16" | "int64";

/** How the model describes itself. */
export interface GraphOptions {
  /** ONNX operator set; 17 (default) or 18. Resize, Split and the axes of reductions differ between them. */
  readonly opset?: 17 | 18;
  /** Version of the program, for producer_version; deqfleet's own by default. */
  readonly producerVersion?: string;
}

/** Prefix of the names given to constants that are no weights. */
const constantPrefix = "constant";

/** True for a constant the builder named itself: part of the computation, not a parameter of the network. */
export const isBuilderConstant = (name: string): boolean => /^constant_\d+$/.test(name);

const bytesOf = (values: Float32Array | Uint16Array | BigInt64Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Collects nodes in topological order and encodes the model. */
export class GraphBuilder {
  readonly #name: string;
  readonly #options: Required<GraphOptions>;
  readonly #nodes: GraphNode[] = [];
  readonly #initializers: GraphInitializer[] = [];
  readonly #inputs: GraphValue[] = [];
  readonly #outputs: GraphValue[] = [];
  readonly #metadata = new Map<string, string>();
  /** Every name in use: ONNX wants each value to have one definition. */
  readonly #names = new Set<string>();
  /** Values that took an output's name, so that later nodes may still use the value they were given. */
  readonly #renamed = new Map<string, string>();
  #next = 0;

  constructor(name: string, options: GraphOptions = {}) {
    this.#name = name;
    this.#options = { opset: options.opset ?? 17, producerVersion: options.producerVersion ?? version };
  }

  #claim(name: string): Value {
    if (this.#names.has(name)) throw new Error(`graph ${this.#name}: the name ${name} is defined twice`);
    this.#names.add(name);
    return name as Value;
  }

  #fresh(hint: string): Value {
    let name = `${hint}_${this.#next++}`;
    while (this.#names.has(name)) name = `${hint}_${this.#next++}`;
    return this.#claim(name);
  }

  #resolve(value: string): string {
    return this.#renamed.get(value) ?? value;
  }

  /** Declares an input. */
  input(name: string, dims: readonly Dimension[], elementType: PortType = "float32"): Value {
    this.#inputs.push({ name, elementType, dims });
    return this.#claim(name);
  }

  /**
   * Declares `value` to be the output `name`. The node that makes the value is renamed to write the output itself (an
   * Identity node behind it would copy the tensor); `value` may still be used afterwards.
   */
  output(name: string, value: Value, dims: readonly Dimension[], elementType: PortType = "float32"): void {
    const current = this.#resolve(value);
    const taken = this.#outputs.some((output) => output.name === current);
    const producer = taken ? undefined : this.#nodes.find((node) => node.output.includes(current));
    this.#outputs.push({ name, elementType, dims });
    this.#claim(name);
    if (producer === undefined) {
      this.#nodes.push({ input: [current], output: [name], name, opType: "Identity", attributes: {} });
      return;
    }
    const rename = (at: string) => (at === current ? name : at);
    for (const node of this.#nodes) {
      node.input = node.input.map(rename);
      node.output = node.output.map(rename);
    }
    this.#renamed.set(value, name);
  }

  #initializer(hint: string, dims: readonly number[], elementType: ConstantType, values: Uint8Array): Value {
    const name = this.#fresh(hint);
    this.#initializers.push({ name, dims, elementType, values });
    return name;
  }

  /**
   * A constant given as float32 values, row-major, and written as float32 or float16.
   * @throws InputError if a value does not fit float16
   */
  constant(
    values: Float32Array,
    dims: readonly number[],
    elementType: "float32" | "float16" = "float32",
  ): Value {
    const encoded = elementType === "float16" ? toFloat16(values, "of a constant") : values;
    return this.#initializer(constantPrefix, dims, elementType, bytesOf(encoded));
  }

  /** A constant without dimensions, such as a factor, or an int64 index that drops the axis it gathers on. */
  scalar(value: number, elementType: ConstantType = "float32"): Value {
    if (elementType !== "int64") return this.constant(Float32Array.of(value), [], elementType);
    return this.#initializer("integers", [], "int64", bytesOf(BigInt64Array.of(BigInt(value))));
  }

  /** An int64 constant: shapes, axes, slice bounds. */
  integers(values: readonly number[]): Value {
    const bytes = bytesOf(BigInt64Array.from(values, BigInt));
    return this.#initializer("integers", [values.length], "int64", bytes);
  }

  /**
   * A weight of the network. Its name is kept in the file, and its values are read when the model is written, one weight
   * at a time; float16 is converted then, to the nearest value.
   * @param read gives the values as float32, row-major; called once or not at all
   * @throws Error if the name is in use: share the returned value instead
   */
  weight(
    name: string,
    dims: readonly number[],
    elementType: WeightType,
    read: () => Promise<Float32Array>,
  ): Value {
    const value = this.#claim(name);
    this.#initializers.push({ name, dims, elementType, values: read });
    return value;
  }

  /** Text kept in the model's metadata_props, e.g. family, source hash, schedule; a repeated key replaces. */
  metadata(key: string, value: string): void {
    this.#metadata.set(key, value);
  }

  /** Adds a node and returns its only output. */
  node(opType: string, input: readonly Value[], attributes: Attributes = {}): Value {
    return this.nodes(opType, input, attributes, 1)[0];
  }

  /** Adds a node of several outputs (Split) and returns them in order. An empty name stands for an input left out. */
  nodes(opType: string, input: readonly Value[], attributes: Attributes, outputCount: number): Value[] {
    const output = Array.from({ length: outputCount }, () => this.#fresh(opType));
    this.#nodes.push({
      input: input.map((value) => this.#resolve(value)),
      output: [...output],
      name: output[0],
      opType,
      attributes,
    });
    return output;
  }

  /** Reshape to `dims`; 0 keeps a dimension, -1 infers one. */
  reshape(value: Value, dims: readonly number[]): Value {
    return this.node("Reshape", [value, this.integers(dims)]);
  }

  /** Conversion to another element type. */
  cast(value: Value, to: ElementType): Value {
    return this.node("Cast", [value], { to: elementCodes[to] });
  }

  /** What has been collected so far, for the writers. */
  contents(): GraphContents {
    for (const { name, dims, elementType, values } of this.#initializers) {
      const bytes = elementCount(dims) * (elementType === "int64" ? 8 : elementType === "float16" ? 2 : 4);
      if (typeof values !== "function" && values.byteLength !== bytes) {
        throw new Error(
          `graph ${this.#name}: ${name} ${elementType} [${dims.join(", ")}] needs ${bytes} bytes, has ${values.byteLength}`,
        );
      }
    }
    return {
      name: this.#name,
      opset: this.#options.opset,
      producerVersion: this.#options.producerVersion,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
      metadata: this.#metadata,
    };
  }

  /**
   * The encoded ModelProto, for small graphs whose constants are all in memory.
   * @throws Error if the graph has weights to be read: write those with `writeModel` or `encodeModel`
   */
  build(): Uint8Array {
    return encodeGraph(this.contents());
  }
}
