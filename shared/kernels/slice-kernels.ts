/**
 * The graphs that run between two network calls of a round, for one operator and picture size. The number of rows
 * (states of the slice still at work) is free, and every coefficient is an input: one set of sessions serves every
 * chain length, cut and method.
 *
 * Linear combinations over states are matrix products with small coefficient matrices: one pass over memory each.
 * Rows are states; [rows, P] with P the size of the part. The plain reference is `slice-reference.ts`.
 */
import { GraphBuilder, type Value } from "../onnx/graph-builder.js";
import { Kernel, type SessionLimits } from "../onnx/session.js";
import type { PictureShape, RangeBasis } from "../operators/operator.js";
import { lineWidth, type Part, parts, SplitGraph, splitLayout } from "./split-basis.js";

type PerPart = Record<Part, Value>;

const perPart = (make: (part: Part) => Value): PerPart => ({ range: make("range"), null: make("null") });

/** The sessions of a slice. Pictures are [n, 3, H, W], rows [n, size of the part]. */
export interface SliceKernels {
  /** x -> (range, null). */
  readonly analyze: Kernel;
  /** (range, null) -> x. */
  readonly synthesize: Kernel;
  /** out = coefficients . rows for one part: every correction and every step is one such product. */
  readonly combine: Kernel;
  /** <a_i, b_i> of every row, both parts summed. */
  readonly rowDots: Kernel;
  /** <dz, dz> and <dz, df> of every row and part, from the states and residuals of two rounds; see {@link sampleStride}. */
  readonly secantProducts: Kernel;
  /** transfer . source per part, packed for the wire. */
  readonly compose: Kernel;
  /** Packed correction -> (range, null). */
  readonly unpack: Kernel;
  release(): Promise<void>;
}

/** Numbers of a part that suffice for a scalar secant estimate: its error falls with their square root. */
const sampledNumbers = 49152;

/**
 * Secant products are taken over every k-th line of a part, k = 1 up to 128x128 pictures. Four buffers are read for
 * them, which at full density would cost as much memory traffic as the correction itself.
 */
export const sampleStride = (size: number): number => Math.max(1, Math.floor(size / sampledNumbers));

/** Builds the graphs of {@link SliceKernels} and loads them. */
export async function loadSliceKernels(
  basis: RangeBasis,
  picture: PictureShape,
  limits: SessionLimits,
): Promise<SliceKernels> {
  const layout = splitLayout(basis, picture);
  const { height, width } = picture;
  const pictureDims = ["n", 3, height, width] as const;

  const graph = (name: string, body: (g: GraphBuilder, split: SplitGraph) => void): Promise<Kernel> => {
    const g = new GraphBuilder(name);
    body(g, new SplitGraph(g, basis, picture));
    return Kernel.load(g.build(), limits);
  };

  const kernels = await Promise.all([
    graph("analyze", (g, split) => {
      const out = split.analyze(g.input("x", pictureDims));
      for (const part of parts) g.output(part, out[part], ["n", layout[part]]);
    }),
    graph("synthesize", (g, split) => {
      g.output("x", split.synthesize(perPart((part) => g.input(part, ["n", layout[part]]))), pictureDims);
    }),
    graph("combine", (g) => {
      const rows = g.input("rows", ["n", "size"]);
      g.output("out", g.node("MatMul", [g.input("coefficients", ["m", "n"]), rows]), ["m", "size"]);
    }),
    graph("row-dots", (g) => {
      const dots = parts.map((part) => {
        const dims = ["n", layout[part]];
        return rowSums(g, g.node("Mul", [g.input(`a.${part}`, dims), g.input(`b.${part}`, dims)]));
      });
      g.output("dots", g.node("Add", dots), ["n"]);
    }),
    graph("secant-products", (g) => {
      for (const part of parts) {
        const size = layout[part];
        const sampled = (name: string, rows: string) =>
          everyKthLine(g, g.input(`${name}.${part}`, [rows, size]), size, lineWidth(basis, picture, part));
        const change = (name: string, rows: string) =>
          g.node("Sub", [sampled(name, rows), sampled(`previous.${name}`, rows)]);
        const dz = change("state", "n");
        // f(z) = source + next state, so its change is the change of both.
        const df = g.node("Add", [change("source", "n"), change("next", "n")]);
        g.output(`dzdz.${part}`, rowSums(g, g.node("Mul", [dz, dz])), ["n"]);
        g.output(`dzdf.${part}`, rowSums(g, g.node("Mul", [dz, df])), ["n"]);
      }
    }),
    graph("compose", (g) => {
      const sums = parts.map((part) =>
        g.node("MatMul", [
          g.input(`transfer.${part}`, [1, "n"]),
          g.input(`source.${part}`, ["n", layout[part]]),
        ]),
      );
      const packed = layout.disjoint ? g.node("Add", sums) : g.node("Concat", sums, { axis: 1 });
      g.output("packed", packed, [1, layout.packed]);
    }),
    graph("unpack", (g, split) => {
      const packed = g.input("packed", [1, layout.packed]);
      const out = layout.disjoint
        ? split.separate(packed)
        : splitColumns(g, packed, layout.range, layout.null);
      for (const part of parts) g.output(part, out[part], [1, layout[part]]);
    }),
  ]);
  const [analyze, synthesize, combine, rowDots, secantProducts, compose, unpack] = kernels;
  return {
    analyze,
    synthesize,
    combine,
    rowDots,
    secantProducts,
    compose,
    unpack,
    release: async () => {
      await Promise.all(kernels.map((kernel) => kernel.release()));
    },
  };
}

/** Sum over everything but the rows. Faster in ONNX Runtime than ReduceSumSquare, which is not vectorised. */
function rowSums(g: GraphBuilder, values: Value): Value {
  return g.node("ReduceSum", [g.node("Flatten", [values], { axis: 1 }), g.integers([1])], { keepdims: 0 });
}

function everyKthLine(g: GraphBuilder, rows: Value, size: number, width: number): Value {
  const stride = sampleStride(size);
  if (stride === 1) return rows;
  const lines = g.reshape(rows, [-1, size / width, width]);
  const [from, to, axis, step] = [[0], [size / width], [1], [stride]].map((value) => g.integers(value));
  return g.node("Slice", [lines, from, to, axis, step]);
}

function splitColumns(g: GraphBuilder, packed: Value, range: number, rest: number): PerPart {
  const columns = (from: number, to: number) =>
    g.node("Slice", [packed, g.integers([from]), g.integers([to]), g.integers([1])]);
  return { range: columns(0, range), null: columns(range, range + rest) };
}
