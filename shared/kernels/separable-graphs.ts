/** ONNX graphs of the products with V and V^T where these are dense matrices: those are what ONNX Runtime is best at. */
import { GraphBuilder, type Value } from "../onnx/graph-builder.js";
import { Kernel, type SessionLimits } from "../onnx/session.js";
import type { RangeBasis } from "../operators/operator.js";
import { type StateSpace, stateSize } from "./state-space.js";

type Separable = Extract<RangeBasis, { kind: "separable" }>;

const transpose = (matrix: Float32Array, rows: number, columns: number): Float32Array =>
  Float32Array.from(
    { length: rows * columns },
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)],
  );

/** u = left x right^T per channel: `x` [n, 3 H W] to `u` [n, 3 rows columns]. */
export function analysis(space: StateSpace, basis: Separable, limits: SessionLimits): Promise<Kernel> {
  const { height, width } = space.picture;
  const { left, right, rows, columns } = basis;
  const g = new GraphBuilder("analysis");
  const planes = g.reshape(g.input("x", ["n", stateSize(space)]), [-1, 3, height, width]);
  const product = g.node("MatMul", [g.constant(left, [rows, height]), planes]);
  const turned = g.constant(transpose(right, columns, width), [width, columns]);
  return build(g, "u", g.node("MatMul", [product, turned]), 3 * rows * columns, limits);
}

/** x = left^T u right per channel: `u` [n, 3 rows columns] to `x` [n, 3 H W]. */
export function synthesis(space: StateSpace, basis: Separable, limits: SessionLimits): Promise<Kernel> {
  const { height, width } = space.picture;
  const { left, right, rows, columns } = basis;
  const g = new GraphBuilder("synthesis");
  const grid = g.reshape(g.input("u", ["n", 3 * rows * columns]), [-1, 3, rows, columns]);
  const turned = g.constant(transpose(left, rows, height), [height, rows]);
  const product = g.node("MatMul", [turned, grid]);
  const x = g.node("MatMul", [product, g.constant(right, [columns, width])]);
  return build(g, "x", x, stateSize(space), limits);
}

function build(
  g: GraphBuilder,
  name: string,
  value: Value,
  size: number,
  limits: SessionLimits,
): Promise<Kernel> {
  g.output(name, g.node("Flatten", [value], { axis: 1 }), ["n", size]);
  return Kernel.load(g.build(), limits);
}
