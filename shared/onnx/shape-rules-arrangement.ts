/**
 * Shapes of operators that arrange values without computing on them. Exporters compute shapes inside the graph (Shape,
 * Gather, Concat, Reshape), so known values are carried along.
 *
 * Source: the ONNX operator specification (onnx/onnx, docs/Operators.md), opsets 11 to 18.
 */
import { elementCount } from "./graph-contents.js";
import {
  broadcast,
  type Inferred,
  mostValues,
  type NodeShapes,
  reshaped,
  type ShapeRule,
  shaped,
} from "./shape-context.js";

const reshape: ShapeRule = (node) => {
  const data = node.input(0);
  const target = node.list(1, "shape") ?? node.fail("no target shape");
  const keepZero = node.number("allowzero", 0) === 1;
  const dims = target.map((dim, axis) => (dim === 0 && !keepZero ? (data.dims[axis] ?? 0) : dim));
  const elements = elementCount(data.dims);
  const open = dims.indexOf(-1);
  if (open >= 0) dims[open] = elements / elementCount(dims.filter((_, axis) => axis !== open));
  if (elementCount(dims) !== elements || !dims.every(Number.isInteger)) {
    node.fail(`[${data.dims.join(", ")}] cannot be reshaped to [${target.join(", ")}]`);
  }
  return [reshaped(data, dims)];
};

const flatten: ShapeRule = (node) => {
  const { dims } = node.input(0);
  const given = node.number("axis", 1);
  const axis = given < 0 ? given + dims.length : given;
  return [reshaped(node.input(0), [elementCount(dims.slice(0, axis)), elementCount(dims.slice(axis))])];
};

const squeeze: ShapeRule = (node) => {
  const data = node.input(0);
  const axes = node.list(1, "axes")?.map((axis) => node.axis(axis, data.dims.length));
  return [
    reshaped(
      data,
      data.dims.filter((dim, axis) => !(axes ? axes.includes(axis) : dim === 1)),
    ),
  ];
};

const unsqueeze: ShapeRule = (node) => {
  const data = node.input(0);
  const given = node.list(1, "axes") ?? node.fail("no axes");
  const rank = data.dims.length + given.length;
  const axes = given.map((axis) => node.axis(axis, rank));
  const rest = data.dims.values();
  return [
    reshaped(
      data,
      Array.from({ length: rank }, (_, at) => (axes.includes(at) ? 1 : (rest.next().value ?? 1))),
    ),
  ];
};

const transpose: ShapeRule = (node) => {
  const { dims } = node.input(0);
  const order = node.numbers("perm") ?? dims.map((_, axis) => dims.length - 1 - axis);
  return [dims.length < 2 ? node.input(0) : shaped(order.map((axis) => dims[node.axis(axis, dims.length)]))];
};

const concat: ShapeRule = (node) => {
  const parts = node.all();
  const first = parts[0].dims;
  const axis = node.axis(node.number("axis", 0), first.length);
  for (const { dims } of parts) {
    if (dims.length !== first.length || dims.some((dim, at) => at !== axis && dim !== first[at])) {
      node.fail(`[${first.join(", ")}] and [${dims.join(", ")}] cannot be joined along axis ${axis}`);
    }
  }
  const joined = parts.reduce((sum, { dims }) => sum + dims[axis], 0);
  const dims = first.with(axis, joined);
  const known = first.length === 1 && joined <= mostValues && parts.every(({ values }) => values);
  if (!known) return [shaped(dims)];
  return [
    { dims, values: parts.flatMap(({ values }) => values ?? []), whole: parts.every(({ whole }) => whole) },
  ];
};

const split: ShapeRule = (node) => {
  const { dims, values, whole } = node.input(0);
  const axis = node.axis(node.number("axis", 0), dims.length);
  const count = node.node.outputs.length;
  const size = Math.ceil(dims[axis] / count);
  const equal = Array.from({ length: count }, (_, part) => Math.min(size, dims[axis] - part * size));
  const sizes = node.list(1, "split") ?? equal;
  if (sizes.length !== count || sizes.reduce((a, b) => a + b, 0) !== dims[axis]) {
    node.fail(`axis ${axis} of [${dims.join(", ")}] cannot be split into [${sizes.join(", ")}]`);
  }
  let at = 0;
  return sizes.map((length) => {
    const from = at;
    at += length;
    const part = shaped(dims.with(axis, length));
    return values && dims.length === 1 ? { ...part, values: values.slice(from, at), whole } : part;
  });
};

const slice: ShapeRule = (node) => {
  const { dims, values, whole } = node.input(0);
  const starts = node.list(1, "starts") ?? node.fail("no starts");
  const ends = node.list(2, "ends") ?? node.fail("no ends");
  const axes = node.list(3, "axes") ?? starts.map((_, at) => at);
  const steps = node.list(4, "steps") ?? starts.map(() => 1);
  const result = [...dims];
  let kept = values;
  for (const [at, given] of axes.entries()) {
    const axis = node.axis(given, dims.length);
    const size = dims[axis];
    const step = steps[at];
    const clamp = (bound: number, low: number, high: number) =>
      Math.min(Math.max(bound < 0 ? bound + size : bound, low), high);
    const start = step > 0 ? clamp(starts[at], 0, size) : clamp(starts[at], 0, size - 1);
    const end = step > 0 ? clamp(ends[at], 0, size) : clamp(ends[at], -1, size - 1);
    result[axis] = Math.max(0, Math.ceil((end - start) / step));
    kept = Array.from({ length: result[axis] }, (_, index) => values?.[start + index * step] ?? Number.NaN);
  }
  return [values && dims.length === 1 ? { dims: result, values: kept, whole } : shaped(result)];
};

const gather: ShapeRule = (node) => {
  const { dims, values, whole } = node.input(0);
  const indices = node.input(1);
  const axis = node.axis(node.number("axis", 0), dims.length);
  const gathered = [...dims.slice(0, axis), ...indices.dims, ...dims.slice(axis + 1)];
  if (!values || dims.length !== 1 || !indices.values) return [shaped(gathered)];
  return [{ dims: gathered, values: indices.values.map((at) => values[node.axis(at, dims[0])]), whole }];
};

const shape: ShapeRule = (node) => {
  const { dims } = node.input(0);
  const values = dims.slice(node.number("start", 0), node.number("end", dims.length));
  return [{ dims: [values.length], values, whole: true }];
};

const expand: ShapeRule = (node) => [
  shaped(broadcast(node, [node.input(0).dims, node.values(1) ?? node.fail("no target shape")])),
];

const tile: ShapeRule = (node) => {
  const repeats = node.values(1) ?? node.fail("no repeats");
  return [shaped(node.input(0).dims.map((dim, axis) => dim * repeats[axis]))];
};

const constantOfShape: ShapeRule = (node) => {
  const dims = node.values(0) ?? node.fail("no shape");
  const attribute = node.node.attributes.get("value");
  const fill = attribute?.kind === "tensor" ? attribute.value : undefined;
  const count = elementCount(dims);
  if (count > mostValues) return [shaped(dims)];
  const whole = fill !== undefined && !fill.elementType.includes("float");
  return [{ dims, values: new Array<number>(count).fill(fill?.values?.[0] ?? 0), whole }];
};

const range: ShapeRule = (node) => {
  const [start, limit, delta] = [0, 1, 2].map((index) => node.values(index)?.[0] ?? node.fail("no bounds"));
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const values = Array.from({ length: Math.min(count, mostValues) }, (_, at) => start + at * delta);
  return [count > mostValues ? shaped([count]) : { dims: [count], values, whole: node.input(0).whole }];
};

const pad: ShapeRule = (node) => {
  const { dims } = node.input(0);
  const pads = node.list(1, "pads") ?? node.fail("no pads");
  const axes = node.values(3)?.map((axis) => node.axis(axis, dims.length)) ?? dims.map((_, axis) => axis);
  const padded = [...dims];
  for (const [at, axis] of axes.entries()) padded[axis] += pads[at] + pads[at + axes.length];
  return [shaped(padded)];
};

/** Resize, and the older Upsample, whose second input is the scales. */
function resized(node: NodeShapes, scalesInput: number, sizesInput: number): Inferred[] {
  const { dims } = node.input(0);
  const policy = node.text("keep_aspect_ratio_policy", "stretch");
  if (policy !== "stretch") node.fail(`keep_aspect_ratio_policy ${policy} is not supported; use stretch`);
  const axes =
    node.numbers("axes")?.map((axis) => node.axis(axis, dims.length)) ?? dims.map((_, axis) => axis);
  const sizes = node.values(sizesInput);
  const scales = node.list(scalesInput, "scales");
  const result = [...dims];
  for (const [at, axis] of axes.entries()) {
    result[axis] =
      sizes?.[at] ?? Math.floor(dims[axis] * (scales?.[at] ?? node.fail("neither sizes nor scales")));
  }
  return [shaped(result)];
}

const depthToSpace: ShapeRule = (node) => {
  const [batch, channels, height, width] = node.input(0).dims;
  const block = node.number("blocksize", 1);
  return [shaped([batch, channels / block ** 2, height * block, width * block])];
};

const spaceToDepth: ShapeRule = (node) => {
  const [batch, channels, height, width] = node.input(0).dims;
  const block = node.number("blocksize", 1);
  return [shaped([batch, channels * block ** 2, height / block, width / block])];
};

const constant: ShapeRule = (node) => {
  for (const [name, attribute] of node.node.attributes) {
    if (attribute.kind === "tensor") {
      const { dims, values, elementType } = attribute.value;
      return [{ dims, values, whole: !elementType.includes("float") }];
    }
    if (attribute.kind === "number")
      return [{ dims: [], values: [attribute.value], whole: name === "value_int" }];
    if (attribute.kind === "numbers") {
      const { value } = attribute;
      return [{ dims: [value.length], values: value, whole: name === "value_ints" }];
    }
  }
  return node.fail("a constant of a kind that is not read");
};

/** Rules by operator. */
export const arrangementRules: Readonly<Record<string, ShapeRule>> = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Concat: concat,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  Identity: (node) => [node.input(0)],
  Pad: pad,
  Range: range,
  Reshape: reshape,
  Resize: (node) => resized(node, node.opset < 11 ? 1 : 2, node.opset < 11 ? -1 : 3),
  Shape: shape,
  Size: (node) => [{ dims: [], values: [elementCount(node.input(0).dims)], whole: true }],
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Upsample: (node) => resized(node, 1, -1),
};
