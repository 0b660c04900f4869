/**
 * Shapes of operators that compute. Values are followed through the arithmetic exporters do on shapes.
 *
 * Source: the ONNX operator specification (onnx/onnx, docs/Operators.md), opsets 11 to 18.
 */
import { elementCodes } from "./onnx-proto.js";
import { broadcast, elementwise, type NodeShapes, type ShapeRule, shaped } from "./shape-context.js";

const same: ShapeRule = (node) => node.node.outputs.map(() => shaped(node.input(0).dims));

/** One elementwise operator; `whole` says whether its result is whole, by default when all inputs are. */
const valued =
  (compute: (...values: number[]) => number, whole?: boolean): ShapeRule =>
  (node) => {
    const inputs = node.all();
    return [elementwise(node, inputs, compute, whole ?? inputs.every((input) => input.whole === true))];
  };

const truth = (value: boolean): number => (value ? 1 : 0);

const div: ShapeRule = (node) => {
  const inputs = node.all();
  const whole = inputs.every((input) => input.whole === true);
  return [elementwise(node, inputs, (a, b) => (whole ? Math.trunc(a / b) : a / b), whole)];
};

const where: ShapeRule = (node) => {
  const [condition, yes, no] = node.all();
  const whole = yes.whole === true && no.whole === true;
  return [elementwise(node, [condition, yes, no], (c, a, b) => (c ? a : b), whole)];
};

const cast: ShapeRule = (node) => {
  const to = node.number("to", elementCodes.float32);
  const whole = to === elementCodes.int64 || to === elementCodes.int32 || to === elementCodes.bool;
  return [elementwise(node, [node.input(0)], (value) => (whole ? Math.trunc(value) : value), whole)];
};

const reduce: ShapeRule = (node) => {
  const { dims } = node.input(0);
  const given = node.list(1, "axes");
  if (!given?.length && node.number("noop_with_empty_axes", 0) === 1) return [shaped(dims)];
  const axes = given?.length
    ? given.map((axis) => node.axis(axis, dims.length))
    : dims.map((_, axis) => axis);
  const keep = node.number("keepdims", 1) === 1;
  return [shaped(dims.flatMap((dim, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [dim])))];
};

/** Sizes of a window sliding over the spatial dimensions: Conv and pooling. */
function windowed(node: NodeShapes, spatial: readonly number[], kernel: readonly number[]): number[] {
  const strides = node.numbers("strides") ?? spatial.map(() => 1);
  const dilations = node.numbers("dilations") ?? spatial.map(() => 1);
  const pads = node.numbers("pads") ?? spatial.flatMap(() => [0, 0]);
  const autoPad = node.text("auto_pad", "NOTSET");
  const round = node.number("ceil_mode", 0) === 1 ? Math.ceil : Math.floor;
  return spatial.map((size, axis) => {
    if (autoPad.startsWith("SAME")) return Math.ceil(size / strides[axis]);
    const padding = autoPad === "VALID" ? 0 : pads[axis] + pads[axis + spatial.length];
    const reach = dilations[axis] * (kernel[axis] - 1) + 1;
    const result = round((size + padding - reach) / strides[axis]) + 1;
    return result > 0
      ? result
      : node.fail(`a window of ${reach} does not fit into ${size} + ${padding} of padding`);
  });
}

const conv: ShapeRule = (node) => {
  const [batch, channels, ...spatial] = node.input(0).dims;
  const [filters, perGroup, ...kernel] = node.input(1).dims;
  if (perGroup * node.number("group", 1) !== channels || kernel.length !== spatial.length) {
    node.fail(
      `weights [${node.input(1).dims.join(", ")}] do not fit an input [${node.input(0).dims.join(", ")}]`,
    );
  }
  return [shaped([batch, filters, ...windowed(node, spatial, kernel)])];
};

const convTranspose: ShapeRule = (node) => {
  const [batch, channels, ...spatial] = node.input(0).dims;
  const [inputs, perGroup, ...kernel] = node.input(1).dims;
  if (inputs !== channels) node.fail(`weights for ${inputs} channels, input of ${channels}`);
  const strides = node.numbers("strides") ?? spatial.map(() => 1);
  const dilations = node.numbers("dilations") ?? spatial.map(() => 1);
  const pads = node.numbers("pads") ?? spatial.flatMap(() => [0, 0]);
  const extra = node.numbers("output_padding") ?? spatial.map(() => 0);
  const autoPad = node.text("auto_pad", "NOTSET");
  const given = node.numbers("output_shape");
  const sizes = spatial.map((size, axis) => {
    if (autoPad.startsWith("SAME")) return size * strides[axis];
    const padding = autoPad === "VALID" ? 0 : pads[axis] + pads[axis + spatial.length];
    return strides[axis] * (size - 1) + extra[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - padding;
  });
  return [shaped([batch, perGroup * node.number("group", 1), ...(given ?? sizes)])];
};

const pool: ShapeRule = (node) => {
  const [batch, channels, ...spatial] = node.input(0).dims;
  const kernel = node.numbers("kernel_shape") ?? node.fail("no kernel_shape");
  return node.node.outputs.map(() => shaped([batch, channels, ...windowed(node, spatial, kernel)]));
};

const globalPool: ShapeRule = (node) => {
  const [batch, channels, ...spatial] = node.input(0).dims;
  return [shaped([batch, channels, ...spatial.map(() => 1)])];
};

const gemm: ShapeRule = (node) => {
  const [a, b] = [node.input(0).dims, node.input(1).dims];
  const [rows, inner] = node.number("transA", 0) ? [a[1], a[0]] : a;
  const [innerB, columns] = node.number("transB", 0) ? [b[1], b[0]] : b;
  if (inner !== innerB) node.fail(`[${a.join(", ")}] and [${b.join(", ")}] cannot be multiplied`);
  return [shaped([rows, columns])];
};

const matMul: ShapeRule = (node) => {
  const [a, b] = [node.input(0).dims, node.input(1).dims];
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  if (a.length === 0 || b.length === 0 || left.at(-1) !== right.at(-2)) {
    node.fail(`[${a.join(", ")}] and [${b.join(", ")}] cannot be multiplied`);
  }
  const stack = broadcast(node, [left.slice(0, -2), right.slice(0, -2)]);
  const rows = a.length === 1 ? [] : left.slice(-2, -1);
  return [shaped([...stack, ...rows, ...(b.length === 1 ? [] : right.slice(-1))])];
};

/** Sizes of the labels of an Einsum equation, and the labels of its result. */
export function einsumLabels(node: NodeShapes): { sizes: ReadonlyMap<string, number>; result: string } {
  const equation = node.text("equation", "").replaceAll(" ", "");
  const [terms, explicit] = equation.split("->");
  if (!/^[A-Za-z,]*(->[A-Za-z]*)?$/.test(equation)) node.fail(`the equation ${equation} is not supported`);
  const sizes = new Map<string, number>();
  for (const [index, term] of terms.split(",").entries()) {
    const { dims } = node.input(index);
    if (dims.length !== term.length) node.fail(`${term} stands for [${dims.join(", ")}] in ${equation}`);
    for (const [axis, label] of [...term].entries()) {
      const before = sizes.get(label) ?? 1;
      if (before !== 1 && dims[axis] !== 1 && before !== dims[axis]) {
        node.fail(`${label} is both ${before} and ${dims[axis]} in ${equation}`);
      }
      sizes.set(label, Math.max(before, dims[axis]));
    }
  }
  const once = [...sizes.keys()].filter((label) => terms.split(label).length === 2).sort();
  return { sizes, result: explicit ?? once.join("") };
}

const einsum: ShapeRule = (node) => {
  const { sizes, result } = einsumLabels(node);
  return [shaped([...result].map((label) => sizes.get(label) ?? node.fail(`no size for ${label}`)))];
};

const byName = (names: string, rule: ShapeRule): Record<string, ShapeRule> =>
  Object.fromEntries(names.split(" ").map((name) => [name, rule]));

/** Rules by operator. */
export const computationRules: Readonly<Record<string, ShapeRule>> = {
  ...byName(
    "Acos Asin Atan BatchNormalization Celu Clip Cos Cosh CumSum Dropout Elu Erf Exp Gelu GroupNormalization HardSigmoid " +
      "HardSwish Hardmax InstanceNormalization IsInf IsNaN LeakyRelu LogSoftmax Log LpNormalization LRN Mish PRelu " +
      "Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softmax Softplus Softsign Swish Tan Tanh ThresholdedRelu Trilu",
    same,
  ),
  ...byName(
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare",
    reduce,
  ),
  ...byName("AveragePool MaxPool LpPool", pool),
  ...byName("GlobalAveragePool GlobalMaxPool GlobalLpPool", globalPool),
  Abs: valued(Math.abs),
  Add: valued((a, b) => a + b),
  And: valued((a, b) => truth(a !== 0 && b !== 0), true),
  Cast: cast,
  CastLike: (node) => [shaped(node.input(0).dims)],
  Ceil: valued(Math.ceil),
  Conv: conv,
  ConvTranspose: convTranspose,
  Div: div,
  Einsum: einsum,
  Equal: valued((a, b) => truth(a === b), true),
  Floor: valued(Math.floor),
  Gemm: gemm,
  Greater: valued((a, b) => truth(a > b), true),
  GreaterOrEqual: valued((a, b) => truth(a >= b), true),
  // Its further outputs (mean, deviation) serve training only.
  LayerNormalization: (node) => [shaped(node.input(0).dims)],
  Less: valued((a, b) => truth(a < b), true),
  LessOrEqual: valued((a, b) => truth(a <= b), true),
  MatMul: matMul,
  Max: valued(Math.max),
  Mean: (node) => [
    shaped(
      broadcast(
        node,
        node.all().map(({ dims }) => dims),
      ),
    ),
  ],
  Min: valued(Math.min),
  Mod: valued((a, b) => ((a % b) + b) % b),
  Mul: valued((a, b) => a * b),
  Neg: valued((a) => -a),
  Not: valued((a) => truth(a === 0), true),
  Or: valued((a, b) => truth(a !== 0 || b !== 0), true),
  Pow: valued((a, b) => a ** b),
  Sqrt: valued(Math.sqrt),
  Sub: valued((a, b) => a - b),
  Sum: valued((...terms) => terms.reduce((a, b) => a + b, 0)),
  Where: where,
};
