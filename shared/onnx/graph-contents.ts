/** A graph as it is collected in memory before it is written: nodes and names, and where each constant's values come from. */
import type { ElementType } from "./onnx-proto.js";

/** A dimension: a number, or a name for a dimension known at run time only. */
export type Dimension = number | string;

/** Node attributes; whole numbers are written as int, lists of them as ints, `{ float }` and `{ floats }` as such. */
export type Attributes = Readonly<
  Record<string, number | string | readonly number[] | { float: number } | { floats: readonly number[] }>
>;

/** A node; `name` is its first output's name. */
export interface GraphNode {
  input: string[];
  output: string[];
  name: string;
  readonly opType: string;
  readonly attributes: Attributes;
}

/** An input or output of the graph. */
export interface GraphValue {
  readonly name: string;
  readonly elementType: ElementType;
  readonly dims: readonly Dimension[];
}

/** Element types a constant may be written in. */
export type ConstantType = "float32" | "float16" | "int64";

/**
 * A constant. `values` are its little-endian bytes in memory, or the function that reads them (as float32, row-major)
 * when the model is written.
 */
export interface GraphInitializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly elementType: ConstantType;
  readonly values: Uint8Array | (() => Promise<Float32Array>);
}

/** Everything a model file holds. */
export interface GraphContents {
  readonly name: string;
  readonly opset: number;
  readonly producerVersion: string;
  readonly nodes: readonly GraphNode[];
  readonly initializers: readonly GraphInitializer[];
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Elements of a tensor: 1 for a scalar. */
export const elementCount = (dims: readonly number[]): number => dims.reduce((count, dim) => count * dim, 1);
