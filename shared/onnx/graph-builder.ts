/**
 * Builds small ONNX graphs in memory: the spectral transforms, scans and norms between two network calls run in ONNX
 * Runtime, not in JavaScript loops.
 *
 * Field numbers: the ONNX IR specification (onnx/onnx, docs/IR.md), IR version 8, opset 17.
 */
import protobuf from "protobufjs";

const elementTypes = { float32: 1, int64: 7 } as const;
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;

const field = (id: number, type: string, rule?: "repeated") => ({ id, type, ...(rule ? { rule } : {}) });

const root = protobuf.Root.fromJSON({
  nested: {
    Opset: { fields: { domain: field(1, "string"), version: field(2, "int64") } },
    Dimension: { fields: { dimValue: field(1, "int64"), dimParam: field(2, "string") } },
    Shape: { fields: { dim: field(1, "Dimension", "repeated") } },
    TensorType: { fields: { elemType: field(1, "int32"), shape: field(2, "Shape") } },
    Type: { fields: { tensorType: field(1, "TensorType") } },
    ValueInfo: { fields: { name: field(1, "string"), type: field(2, "Type") } },
    Tensor: {
      fields: {
        dims: field(1, "int64", "repeated"),
        dataType: field(2, "int32"),
        name: field(8, "string"),
        rawData: field(9, "bytes"),
      },
    },
    Attribute: {
      fields: {
        name: field(1, "string"),
        f: field(2, "float"),
        i: field(3, "int64"),
        s: field(4, "bytes"),
        ints: field(8, "int64", "repeated"),
        type: field(20, "int32"),
      },
    },
    Node: {
      fields: {
        input: field(1, "string", "repeated"),
        output: field(2, "string", "repeated"),
        name: field(3, "string"),
        opType: field(4, "string"),
        attribute: field(5, "Attribute", "repeated"),
      },
    },
    Graph: {
      fields: {
        node: field(1, "Node", "repeated"),
        name: field(2, "string"),
        initializer: field(5, "Tensor", "repeated"),
        input: field(11, "ValueInfo", "repeated"),
        output: field(12, "ValueInfo", "repeated"),
      },
    },
    Model: {
      fields: {
        irVersion: field(1, "int64"),
        producerName: field(2, "string"),
        graph: field(7, "Graph"),
        opsetImport: field(8, "Opset", "repeated"),
      },
    },
  },
});
const modelType = root.lookupType("Model");

/** A value of the graph: the name of a node's output, an input or a constant. */
export type Value = string & { readonly __value: unique symbol };

/** A dimension: a number, or a name for a dimension known at run time only. */
export type Dimension = number | string;

/** Node attributes; whole numbers are written as ints, `{ float }` as float. */
export type Attributes = Readonly<Record<string, number | string | readonly number[] | { float: number }>>;

const tensorType = (elemType: number, dims: readonly Dimension[]) => ({
  tensorType: {
    elemType,
    shape: { dim: dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d })) },
  },
});

function attribute(name: string, value: Attributes[string]) {
  if (typeof value === "number") return { name, i: value, type: attributeTypes.int };
  if (typeof value === "string") return { name, s: Buffer.from(value), type: attributeTypes.string };
  if ("float" in value) return { name, f: value.float, type: attributeTypes.float };
  return { name, ints: [...value], type: attributeTypes.ints };
}

interface GraphNode {
  input: string[];
  output: string[];
  readonly name: string;
  readonly opType: string;
  readonly attribute: object[];
}

/** Collects nodes in topological order and encodes the model. */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: GraphNode[] = [];
  readonly #initializers: object[] = [];
  readonly #inputs: object[] = [];
  readonly #outputs: object[] = [];
  #next = 0;

  constructor(name: string) {
    this.#name = name;
  }

  #fresh(hint: string): Value {
    return `${hint}_${this.#next++}` as Value;
  }

  /** Declares a float32 input. */
  input(name: string, dims: readonly Dimension[]): Value {
    this.#inputs.push({ name, type: tensorType(elementTypes.float32, dims) });
    return name as Value;
  }

  /** Declares `value` to be the float32 output `name`. */
  output(name: string, value: Value, dims: readonly Dimension[]): void {
    this.#outputs.push({ name, type: tensorType(elementTypes.float32, dims) });
    if (this.#nodes.some((node) => node.output[0] === value)) {
      // The producer writes the output itself: an Identity node behind it would copy the tensor.
      const rename = (at: string) => (at === value ? name : at);
      for (const node of this.#nodes) {
        node.input = node.input.map(rename);
        node.output = node.output.map(rename);
      }
    } else {
      this.#nodes.push({ input: [value], output: [name], name, opType: "Identity", attribute: [] });
    }
  }

  /** A float32 constant. */
  constant(values: Float32Array, dims: readonly number[]): Value {
    const name = this.#fresh("constant");
    const rawData = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push({ name, dims, dataType: elementTypes.float32, rawData });
    return name;
  }

  /** An int64 constant: shapes, axes, slice bounds. */
  integers(values: readonly number[]): Value {
    const name = this.#fresh("integers");
    const rawData = Buffer.from(BigInt64Array.from(values, BigInt).buffer);
    this.#initializers.push({ name, dims: [values.length], dataType: elementTypes.int64, rawData });
    return name;
  }

  /** Adds a node and returns its only output. */
  node(opType: string, input: readonly Value[], attributes: Attributes = {}): Value {
    const output = this.#fresh(opType);
    this.#nodes.push({
      input: [...input],
      output: [output],
      name: output,
      opType,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return output;
  }

  /** Reshape to `dims`; 0 keeps a dimension, -1 infers one. */
  reshape(value: Value, dims: readonly number[]): Value {
    return this.node("Reshape", [value, this.integers(dims)]);
  }

  /** The encoded ModelProto. */
  build(): Uint8Array {
    const model = {
      irVersion: 8,
      producerName: "deqfleet",
      opsetImport: [{ domain: "", version: 17 }],
      graph: {
        name: this.#name,
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
    };
    return modelType.encode(modelType.fromObject(model)).finish();
  }
}
