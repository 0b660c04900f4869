/**
 * Multiply-adds of one evaluation of a model at a given size: shapes are propagated through the graph from its inputs,
 * and the products of convolutions and matrices counted. Elementwise work, norms and interpolation are not counted, as is
 * usual for the "MACs" of a network.
 */
import { InputError } from "../errors.js";
import { elementCount } from "./graph-contents.js";
import type { Model, ModelValue } from "./read-model.js";
import { type Inferred, NodeShapes, type ShapeRule } from "./shape-context.js";
import { arrangementRules } from "./shape-rules-arrangement.js";
import { computationRules, einsumLabels } from "./shape-rules-computation.js";

/** Size of an evaluation; what the model fixes may be left out, and the batch is 1 by default. */
export interface EvaluationSize {
  readonly batch?: number;
  /** Pixels. */
  readonly height?: number;
  readonly width?: number;
}

/** Multiply-adds of all nodes of one operator. */
export interface OperatorCost {
  readonly op: string;
  readonly nodes: number;
  readonly multiplyAdds: number;
}

/** What one evaluation costs. */
export interface EvaluationCost {
  readonly total: number;
  /** All operators of the graph, the most expensive first. */
  readonly operators: readonly OperatorCost[];
  /** Shapes of the model's inputs and outputs at this size. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

const rules: ReadonlyMap<string, ShapeRule> = new Map(
  Object.entries({ ...arrangementRules, ...computationRules }),
);

/** Multiply-adds of a node whose outputs have been inferred. */
function costOf(node: NodeShapes, [output]: readonly Inferred[]): number {
  switch (node.node.op) {
    case "Conv":
      return elementCount(output.dims) * elementCount(node.input(1).dims.slice(1));
    case "ConvTranspose":
      return elementCount(node.input(0).dims) * elementCount(node.input(1).dims.slice(1));
    case "Gemm":
      return elementCount(output.dims) * node.input(0).dims[node.number("transA", 0) ? 0 : 1];
    case "MatMul":
      return elementCount(output.dims) * (node.input(0).dims.at(-1) ?? 1);
    case "Einsum":
      // A lone operand is summed, not multiplied.
      return node.node.inputs.length < 2 ? 0 : elementCount([...einsumLabels(node).sizes.values()]);
    default:
      return 0;
  }
}

/** The dimensions of an input: pictures are [batch, channels, height, width], everything else begins with the batch. */
function boundDims(source: string, { name, dims }: ModelValue, size: EvaluationSize): number[] {
  const names = dims.length === 4 ? (["batch", undefined, "height", "width"] as const) : (["batch"] as const);
  return dims.map((dim, axis) => {
    const called = names[axis];
    const asked = called && size[called];
    if (typeof dim === "number") {
      if (asked === undefined || asked === dim) return dim;
      throw new InputError(
        `${source}: input ${name} has the fixed ${called} ${dim}, not ${asked}; ask for that size`,
      );
    }
    if (asked !== undefined) return asked;
    if (called === "batch") return 1;
    throw new InputError(
      `${source}: input ${name} [${dims.join(", ")}] has no fixed ${called ?? `dimension ${axis}`}; ask for a size (height and width)`,
    );
  });
}

function checkSize(size: EvaluationSize): void {
  for (const [name, value] of Object.entries(size)) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new InputError(`${name} ${value} of an evaluation is no positive whole number`);
    }
  }
}

/**
 * Counts the multiply-adds (one product and one sum) of one evaluation.
 * @throws InputError if the size contradicts what the model fixes or is missing, or naming the node where a shape cannot
 *   be inferred: an operator without a rule, shapes that do not fit, or a shape that depends on values at run time
 */
export function multiplyAdds(model: Model, size: EvaluationSize): EvaluationCost {
  checkSize(size);
  const known = new Map<string, Inferred>();
  for (const { name, dims, values, elementType } of model.initializers) {
    known.set(name, { dims, values, whole: !elementType.includes("float") });
  }
  for (const input of model.inputs) known.set(input.name, { dims: boundDims(model.path, input, size) });
  const costs = new Map<string, OperatorCost>();
  for (const modelNode of model.nodes) {
    const node = new NodeShapes(modelNode, model.opset, model.path, known);
    const rule = modelNode.domain === "" ? rules.get(modelNode.op) : undefined;
    if (rule === undefined) {
      return node.fail(
        `no rule gives the shape of operator ${modelNode.domain && `${modelNode.domain}.`}${modelNode.op}`,
      );
    }
    const outputs = rule(node);
    for (const [index, output] of outputs.entries()) {
      const name = modelNode.outputs[index];
      // An output nobody uses may have the empty name.
      if (name) known.set(name, output);
    }
    const { op } = modelNode;
    const before = costs.get(op) ?? { op, nodes: 0, multiplyAdds: 0 };
    costs.set(op, { op, nodes: before.nodes + 1, multiplyAdds: before.multiplyAdds + costOf(node, outputs) });
  }
  const operators = [...costs.values()].sort((a, b) => b.multiplyAdds - a.multiplyAdds || b.nodes - a.nodes);
  const shapes = new Map(
    [...model.inputs, ...model.outputs].map(({ name }) => [name, known.get(name)?.dims ?? []]),
  );
  return { total: operators.reduce((sum, cost) => sum + cost.multiplyAdds, 0), operators, shapes };
}
