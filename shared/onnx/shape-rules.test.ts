/** Every shape rule against ONNX Runtime: the same small graph is inferred here and evaluated there. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Attributes, GraphBuilder, type Value } from "./graph-builder.js";
import { multiplyAdds } from "./multiply-adds.js";
import { readModel } from "./read-model.js";
import { sessionOptions } from "./session.js";
import { arrangementRules } from "./shape-rules-arrangement.js";
import { computationRules } from "./shape-rules-computation.js";

const size = { batch: 2, height: 6, width: 5 };
const none = "" as Value;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shape-rules-"));
});
afterAll(() => rm(folder, { recursive: true }));

type Body = (graph: GraphBuilder, x: Value) => Value | readonly Value[];

const ones = (graph: GraphBuilder, ...dims: number[]): Value =>
  graph.constant(new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1), dims);

const unary =
  (op: string, attributes: Attributes = {}): Body =>
  (g, x) =>
    g.node(op, [x], attributes);

const binary =
  (op: string, ...dims: number[]): Body =>
  (g, x) =>
    g.node(op, [x, ones(g, ...dims)]);

/** Turns a shape computed in the graph into the shape of an output, so that its values are compared too. */
const asShape = (g: GraphBuilder, computed: Value): Value => g.node("ConstantOfShape", [computed]);

const compared =
  (op: string): Body =>
  (g, x) => {
    const truth = g.cast(g.node(op, [g.node("Shape", [x]), g.integers([2, 4, 7, 4])]), "int64");
    return asShape(g, g.node("Add", [truth, g.integers([1])]));
  };

const arithmetic =
  (op: string, ...other: number[]): Body =>
  (g, x) =>
    asShape(g, g.node(op, [g.node("Shape", [x]), g.integers(other)]));

const rounded =
  (op: string, factor: number): Body =>
  (g, x) => {
    const scaled = g.node("Mul", [g.cast(g.node("Shape", [x]), "float32"), g.scalar(factor)]);
    return asShape(g, g.cast(g.node(op, [scaled]), "int64"));
  };

const conv =
  (kernel: readonly number[], attributes: Attributes): Body =>
  (g, x) =>
    g.node("Conv", [x, ones(g, 6, 4, ...kernel)], attributes);

const bodies: Readonly<Record<string, Body>> = {
  "Conv, padded and strided": conv([3, 3], { strides: [2, 1], pads: [1, 0, 1, 2] }),
  "Conv, dilated": conv([3, 2], { dilations: [2, 3] }),
  "Conv, same upper": conv([3, 3], { strides: [2, 2], auto_pad: "SAME_UPPER" }),
  "Conv, valid": conv([3, 3], { auto_pad: "VALID" }),
  "Conv, grouped": (g, x) => g.node("Conv", [x, ones(g, 8, 1, 1, 1)], { group: 4 }),
  "ConvTranspose, padded": (g, x) =>
    g.node("ConvTranspose", [x, ones(g, 4, 3, 4, 4)], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  "ConvTranspose, output padding and dilation": (g, x) =>
    g.node("ConvTranspose", [x, ones(g, 4, 3, 3, 3)], {
      strides: [2, 3],
      output_padding: [1, 2],
      dilations: [2, 1],
      group: 2,
    }),
  "AveragePool, ceil": unary("AveragePool", { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  "MaxPool, floor": unary("MaxPool", { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 0] }),
  GlobalAveragePool: unary("GlobalAveragePool"),
  Gemm: (g, x) => g.node("Gemm", [g.reshape(x, [0, -1]), ones(g, 120, 7), ones(g, 7)]),
  "Gemm, transposed": (g, x) =>
    g.node("Gemm", [g.reshape(x, [120, -1]), ones(g, 9, 120)], { transA: 1, transB: 1 }),
  "MatMul, stacked": (g, x) => g.node("MatMul", [x, ones(g, 1, 5, 3)]),
  "MatMul, vector on the right": (g, x) => g.node("MatMul", [x, ones(g, 5)]),
  "MatMul, vector on the left": (g, x) => g.node("MatMul", [ones(g, 6), x]),
  Einsum: (g, x) => g.node("Einsum", [x, ones(g, 3, 4, 5)], { equation: "nchw, kcw -> nhk" }),
  "Einsum without a result": (g, x) => g.node("Einsum", [x, ones(g, 5, 2)], { equation: "nchw,wa" }),
  "Add, broadcast": binary("Add", 4, 1, 5),
  "Sub, broadcast to more dimensions": binary("Sub", 3, 1, 1, 6, 1),
  Pow: binary("Pow", 1),
  Max: binary("Max", 6, 5),
  Min: binary("Min", 6, 5),
  Mean: binary("Mean", 1, 1),
  Sum: binary("Sum", 1, 1),
  Where: (g, x) => g.node("Where", [g.cast(ones(g, 4, 1, 1), "bool"), x, ones(g, 3, 1, 1, 1, 1)]),
  "Equal on a shape": compared("Equal"),
  "Less on a shape": compared("Less"),
  "Greater on a shape": compared("Greater"),
  "LessOrEqual on a shape": compared("LessOrEqual"),
  "GreaterOrEqual on a shape": compared("GreaterOrEqual"),
  "And, Or, Not on a shape": (g, x) => {
    const dims = g.node("Shape", [x]);
    const small = g.node("Less", [dims, g.integers([5])]);
    const even = g.node("Equal", [g.node("Mod", [dims, g.integers([2])]), g.integers([0])]);
    const chosen = [g.node("And", [small, even]), g.node("Or", [small, even]), g.node("Not", [small])];
    const added = chosen.map((truth) => g.node("Add", [g.cast(truth, "int64"), g.integers([1])]));
    return asShape(g, g.node("Concat", added, { axis: 0 }));
  },
  "Where on a shape": (g, x) => {
    const dims = g.node("Shape", [x]);
    return asShape(g, g.node("Where", [g.node("Equal", [dims, g.integers([4])]), g.integers([9]), dims]));
  },
  "Mul on a shape": arithmetic("Mul", 2),
  "Div of whole numbers": arithmetic("Div", 2),
  "Mod on a shape": arithmetic("Mod", 3, 3, 4, 9),
  "Floor on a shape": rounded("Floor", 0.7),
  "Ceil on a shape": rounded("Ceil", 0.7),
  "Sqrt on a shape": rounded("Sqrt", 4),
  "Neg, Abs on a shape": (g, x) => asShape(g, g.node("Abs", [g.node("Neg", [g.node("Shape", [x])])])),
  Cast: (g, x) => g.cast(x, "float16"),
  CastLike: (g, x) => g.node("CastLike", [x, g.integers([1])]),
  InstanceNormalization: (g, x) => g.node("InstanceNormalization", [x, ones(g, 4), ones(g, 4)]),
  LayerNormalization: (g, x) => g.node("LayerNormalization", [x, ones(g, 5)], { axis: -1 }),
  Softmax: unary("Softmax", { axis: -1 }),
  Sigmoid: unary("Sigmoid"),
  Clip: (g, x) => g.node("Clip", [x, none, g.scalar(1)]),
  "ReduceSum over given axes": (g, x) => g.node("ReduceSum", [x, g.integers([-1, 1])], { keepdims: 0 }),
  "ReduceSum over nothing": (g, x) => g.node("ReduceSum", [x], { noop_with_empty_axes: 1 }),
  "ReduceMean over an attribute's axes": unary("ReduceMean", { axes: [2, 3] }),
  "ReduceMax over everything": unary("ReduceMax", { keepdims: 0 }),
  "Reshape, kept and inferred": (g, x) => g.reshape(x, [0, 2, -1, 5]),
  Flatten: unary("Flatten", { axis: -2 }),
  "Squeeze, all and some": (g, x) => [
    g.node("Squeeze", [g.reshape(x, [2, 1, 120, 1])]),
    g.node("Squeeze", [g.reshape(x, [2, 1, 120, 1]), g.integers([-1])]),
  ],
  Unsqueeze: (g, x) => g.node("Unsqueeze", [x, g.integers([-1, 1])]),
  "Transpose, reversed and given": (g, x) => [
    g.node("Transpose", [x]),
    g.node("Transpose", [x], { perm: [0, 2, 3, 1] }),
  ],
  Concat: (g, x) => g.node("Concat", [x, x, ones(g, 2, 4, 6, 1)], { axis: -1 }),
  "Split into given sizes": (g, x) => g.nodes("Split", [x, g.integers([1, 3])], { axis: 1 }, 2),
  "Split evenly": (g, x) => g.nodes("Split", [x], { axis: 1 }, 2),
  "Slice, clamped, negative and stepped": (g, x) =>
    g.node("Slice", [
      x,
      g.integers([-3, 9, 0, 1]),
      g.integers([Number.MAX_SAFE_INTEGER, -9, -1, 2]),
      g.integers([1, 2, 3, 0]),
      g.integers([2, -2, 1, 1]),
    ]),
  "Slice of a shape, backwards": (g, x) => {
    const reversed = [g.integers([-1]), g.integers([-9]), g.integers([0]), g.integers([-1])];
    return asShape(g, g.node("Slice", [g.node("Shape", [x]), ...reversed]));
  },
  "Gather of rows and of one index": (g, x) => [
    g.node("Gather", [x, g.integers([0, 2, 0])], { axis: 1 }),
    g.node("Gather", [x, g.scalar(1, "int64")], { axis: -1 }),
  ],
  "Gather, Unsqueeze, Concat on a shape": (g, x) => {
    const dims = g.node("Shape", [x]);
    const at = (index: number) =>
      g.node("Unsqueeze", [g.node("Gather", [dims, g.scalar(index, "int64")]), g.integers([0])]);
    return g.node("Reshape", [x, g.node("Concat", [at(-1), g.integers([-1]), at(0)], { axis: 0 })]);
  },
  "Split of a shape": (g, x) => {
    const [head, tail] = g.nodes("Split", [g.node("Shape", [x]), g.integers([1, 3])], {}, 2);
    return [asShape(g, head), asShape(g, tail)];
  },
  "Shape, part of it": (g, x) => asShape(g, g.node("Shape", [x], { start: 1, end: -1 })),
  Size: (g, x) => asShape(g, g.reshape(g.node("Size", [x]), [1])),
  Expand: (g, x) => g.node("Expand", [x, g.integers([3, 1, 4, 1, 1])]),
  Tile: (g, x) => g.node("Tile", [x, g.integers([1, 2, 3, 1])]),
  Pad: (g, x) => g.node("Pad", [x, g.integers([0, 0, 1, 2, 0, 0, 3, -1])]),
  "Resize by scales": (g, x) =>
    g.node("Resize", [x, none, g.constant(Float32Array.of(1, 1, 1.5, 0.5), [4])], { mode: "nearest" }),
  "Resize to sizes": (g, x) =>
    g.node("Resize", [x, none, none, g.integers([2, 4, 12, 10])], { mode: "nearest" }),
  Range: (g) => g.node("Range", [g.scalar(1), g.scalar(4), g.scalar(0.5)]),
  "Range of positions": (g, x) => {
    const end = g.node("Gather", [g.node("Shape", [x]), g.scalar(2, "int64")]);
    return asShape(g, g.node("Range", [g.scalar(1, "int64"), end, g.scalar(2, "int64")]));
  },
  DepthToSpace: unary("DepthToSpace", { blocksize: 2 }),
  SpaceToDepth: (g, x) => g.node("SpaceToDepth", [g.reshape(x, [2, 4, 10, 3])], { blocksize: 1 }),
  Constant: (g) => [
    g.node("Constant", [], { value_floats: { floats: [1, 2] } }),
    asShape(g, g.node("Constant", [], { value_ints: [3, 1] })),
  ],
  Identity: unary("Identity"),
};

/** Writes the graph, its outputs declared with as many unnamed dimensions as `ranks` says, and returns their number. */
async function written(path: string, body: Body, ranks: readonly number[]): Promise<number> {
  const graph = new GraphBuilder("rule");
  const made = body(graph, graph.input("x", ["n", 4, "h", "w"]));
  const outputs = typeof made === "string" ? [made] : made;
  for (const [index, value] of outputs.entries()) {
    const dims = Array.from({ length: ranks[index] ?? 0 }, (_, axis) => `y${index}_${axis}`);
    graph.output(`y${index}`, graph.cast(value, "float32"), dims);
  }
  await writeFile(path, graph.build());
  return outputs.length;
}

async function inferredAndEvaluated(body: Body): Promise<{ inferred: number[][]; evaluated: number[][] }> {
  const path = join(folder, "rule.onnx");
  const count = await written(path, body, []);
  const { shapes } = multiplyAdds(await readModel(path), size);
  const names = Array.from({ length: count }, (_, index) => `y${index}`);
  const inferred = names.map((name) => [...(shapes.get(name) ?? [])]);
  // ONNX Runtime refuses a declared rank that is not the real one.
  await written(
    path,
    body,
    inferred.map(({ length }) => length),
  );
  const session = await ort.InferenceSession.create(path, sessionOptions({ threads: 1 }));
  try {
    const fetched = await session.run({
      x: new ort.Tensor("float32", new Float32Array(2 * 4 * 6 * 5).fill(0.5), [2, 4, 6, 5]),
    });
    return { inferred, evaluated: names.map((name) => [...fetched[name].dims]) };
  } finally {
    await session.release();
  }
}

describe("shape rules", () => {
  it.each(Object.keys(bodies))("%s: as ONNX Runtime evaluates it", async (name) => {
    const { inferred, evaluated } = await inferredAndEvaluated(bodies[name]);
    expect(inferred).toEqual(evaluated);
  });

  it("keeps every operator's rule under one name", () => {
    const twice = Object.keys(arrangementRules).filter((op) => op in computationRules);
    expect(twice).toEqual([]);
  });
});
