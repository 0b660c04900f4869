/** What shape rules see: a node, the inferred shapes of its inputs, and its attributes with their defaults. */
import { InputError } from "../errors.js";
import { elementCount } from "./graph-contents.js";
import type { ModelNode } from "./read-model.js";

/** An inferred tensor: its shape, and its values where they are few and known (shapes are computed inside graphs). */
export interface Inferred {
  readonly dims: readonly number[];
  readonly values?: readonly number[];
  /** Whether the values are whole numbers by type: their division truncates. */
  readonly whole?: boolean;
}

/** The outputs of a node, in order; trailing outputs nobody can use may be missing. */
export type ShapeRule = (node: NodeShapes) => readonly Inferred[];

/** Known values are followed up to this many elements; shapes and axes have a handful. */
export const mostValues = 1024;

/** A node during shape inference. */
export class NodeShapes {
  constructor(
    readonly node: ModelNode,
    readonly opset: number,
    private readonly source: string,
    private readonly known: ReadonlyMap<string, Inferred>,
  ) {}

  /** Ends the inference with an error that names the node. */
  fail(reason: string): never {
    const { name, op, outputs } = this.node;
    throw new InputError(`${this.source}: node ${name || outputs[0]} (${op}): ${reason}`);
  }

  /** Input `index`, which the operator requires. */
  input(index: number): Inferred {
    const name = this.node.inputs[index] ?? "";
    const found = this.known.get(name);
    if (found) return found;
    return this.fail(
      name === "" ? `input ${index} is missing` : `the shape of its input ${name} is not known`,
    );
  }

  /** Input `index`, undefined where it is left out. */
  optional(index: number): Inferred | undefined {
    return this.node.inputs[index] ? this.input(index) : undefined;
  }

  /** All inputs. */
  all(): Inferred[] {
    return this.node.inputs.map((_, index) => this.input(index));
  }

  /** Values of input `index`, undefined where it is left out. */
  values(index: number): readonly number[] | undefined {
    const input = this.optional(index);
    if (input === undefined) return undefined;
    return (
      input.values ??
      this.fail(`its shape depends on the values of ${this.node.inputs[index]}, known at run time only`)
    );
  }

  /** A whole-number or float attribute. */
  number(name: string, otherwise: number): number {
    const attribute = this.node.attributes.get(name);
    return attribute?.kind === "number" ? attribute.value : otherwise;
  }

  /** A list attribute, undefined where there is none. */
  numbers(name: string): readonly number[] | undefined {
    const attribute = this.node.attributes.get(name);
    return attribute?.kind === "numbers" ? attribute.value : undefined;
  }

  /** A string attribute. */
  text(name: string, otherwise: string): string {
    const attribute = this.node.attributes.get(name);
    return attribute?.kind === "text" ? attribute.value : otherwise;
  }

  /** A list that newer operator sets give as input `index` and older ones as an attribute. */
  list(index: number, attribute: string): readonly number[] | undefined {
    return this.values(index) ?? this.numbers(attribute);
  }

  /** An axis counted from the front; -1 is the last of `rank`. */
  axis(axis: number, rank: number): number {
    const counted = axis < 0 ? axis + rank : axis;
    return counted >= 0 && counted < rank
      ? counted
      : this.fail(`axis ${axis} of a tensor of ${rank} dimensions`);
  }
}

/** A tensor of the same values in another shape. */
export const reshaped = (tensor: Inferred, dims: readonly number[]): Inferred => ({ ...tensor, dims });

/** A tensor of which only the shape is known. */
export const shaped = (dims: readonly number[]): Inferred => ({ dims });

/** The shape several tensors have together, by ONNX's (NumPy's) broadcasting. */
export function broadcast(node: NodeShapes, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((dims) => dims[axis - rank + dims.length] ?? 1).filter((size) => size !== 1);
    if (new Set(sizes).size > 1) {
      node.fail(`shapes ${shapes.map((dims) => `[${dims.join(", ")}]`).join(" and ")} cannot be broadcast`);
    }
    return sizes[0] ?? 1;
  });
}

/** Element `index` (row-major in `dims`) of a tensor broadcast to `dims`. */
function broadcastElement(tensor: Inferred, dims: readonly number[], index: number): number {
  let rest = index;
  let at = 0;
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const position = rest % dims[axis];
    rest = Math.floor(rest / dims[axis]);
    const size = tensor.dims[axis - dims.length + tensor.dims.length] ?? 1;
    if (size > 1) at += position * stride;
    stride *= size;
  }
  return tensor.values?.[at] ?? Number.NaN;
}

/** The elementwise result of several tensors, with its values where all of theirs are known. */
export function elementwise(
  node: NodeShapes,
  inputs: readonly Inferred[],
  compute: (...values: number[]) => number,
  whole: boolean,
): Inferred {
  const dims = broadcast(
    node,
    inputs.map((input) => input.dims),
  );
  const count = elementCount(dims);
  if (count > mostValues || inputs.some(({ values }) => values === undefined)) return shaped(dims);
  const values = Array.from({ length: count }, (_, index) =>
    compute(...inputs.map((input) => broadcastElement(input, dims, index))),
  );
  return { dims, values, whole };
}
