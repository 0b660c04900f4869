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
import { type Part, parts, SplitGraph, splitLayout } from "./split-basis.js";

type PerPart = Record<Part, Value>;

const perPart = (make: (part: Part) => Value): PerPart => ({ range: make("range"), null: make("null") });

/** The sessions of a slice. */
export interface SliceKernels {
  /** x -> (range, null), [n, 3, H, W]. */
  readonly analyze: Kernel;
  /** (range, null) -> x. */
  readonly synthesize: Kernel;
  /** delta = scan . source; state' = state + delta; x = picture of the first rows - 1 states. */
  readonly correct: Kernel;
  /** source' = stateC . state + noiseC . V^T eps + offsetC . offset, with the squared norm of every row. */
  readonly propose: Kernel;
  /** The same, with <dz, dz> and <dz, df> of every row for the secant estimate. */
  readonly proposeSecant: Kernel;
  /** transfer . source per part, packed for the wire. */
  readonly compose: Kernel;
  /** Packed correction -> (range, null). */
  readonly unpack: Kernel;
  /** <a_i, b_i> of every row, both parts summed. */
  readonly rowDots: Kernel;
  /** coefficients . rows for one part. */
  readonly combine: Kernel;
  release(): Promise<void>;
}

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

  const propose = (secant: boolean) =>
    graph("propose", (g, split) => {
      const noiseEstimate = split.analyze(g.input("eps", pictureDims));
      for (const part of parts) {
        const state = g.input(`state.${part}`, ["rows", layout[part]]);
        const offset = g.input(`offset.${part}`, ["offsets", layout[part]]);
        const fixed = g.node("MatMul", [g.input(`offsetC.${part}`, ["n", "offsets"]), offset]);
        const moving = g.node("Gemm", [g.input(`noiseC.${part}`, ["n", "n"]), noiseEstimate[part], fixed]);
        const source = g.node("Gemm", [g.input(`stateC.${part}`, ["n", "rows"]), state, moving]);
        g.output(`source.${part}`, source, ["n", layout[part]]);
        g.output(`squares.${part}`, g.node("ReduceSumSquare", [source], { axes: [1], keepdims: 0 }), ["n"]);
        if (!secant) continue;
        const dz = g.input(`delta.${part}`, ["n", layout[part]]);
        const previous = g.input(`previous.${part}`, ["n", layout[part]]);
        const moved = g.input(`moved.${part}`, ["n", layout[part]]);
        const df = g.node("Add", [g.node("Sub", [source, previous]), moved]);
        const product = g.node("ReduceSum", [g.node("Mul", [dz, df]), g.integers([1])], { keepdims: 0 });
        g.output(`dzdf.${part}`, product, ["n"]);
        g.output(`dzdz.${part}`, g.node("ReduceSumSquare", [dz], { axes: [1], keepdims: 0 }), ["n"]);
      }
    });

  const kernels = await Promise.all([
    graph("analyze", (g, split) => {
      const out = split.analyze(g.input("x", pictureDims));
      for (const part of parts) g.output(part, out[part], ["n", layout[part]]);
    }),
    graph("synthesize", (g, split) => {
      g.output("x", split.synthesize(perPart((part) => g.input(part, ["n", layout[part]]))), pictureDims);
    }),
    graph("correct", (g, split) => {
      const corrected = perPart((part) => {
        const source = g.input(`source.${part}`, ["rows", layout[part]]);
        const delta = g.node("MatMul", [g.input(`scan.${part}`, ["rows", "rows"]), source]);
        g.output(`delta.${part}`, delta, ["rows", layout[part]]);
        const state = g.node("Add", [g.input(`state.${part}`, ["rows", layout[part]]), delta]);
        g.output(`corrected.${part}`, state, ["rows", layout[part]]);
        return state;
      });
      g.output("x", split.synthesize(corrected), pictureDims);
    }),
    propose(false),
    propose(true),
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
    graph("row-dots", (g) => {
      const dots = parts.map((part) => {
        const dims = ["n", layout[part]];
        const product = g.node("Mul", [g.input(`a.${part}`, dims), g.input(`b.${part}`, dims)]);
        return g.node("ReduceSum", [product, g.integers([1])], { keepdims: 0 });
      });
      g.output("dots", g.node("Add", dots), ["n"]);
    }),
    graph("combine", (g) => {
      const rows = g.input("rows", ["n", "size"]);
      g.output("out", g.node("MatMul", [g.input("coefficients", ["m", "n"]), rows]), ["m", "size"]);
    }),
  ]);
  const [analyze, synthesize, correct, plain, secant, compose, unpack, rowDots, combine] = kernels;
  return {
    analyze,
    synthesize,
    correct,
    propose: plain,
    proposeSecant: secant,
    compose,
    unpack,
    rowDots,
    combine,
    release: async () => {
      await Promise.all(kernels.map((kernel) => kernel.release()));
    },
  };
}

function splitColumns(g: GraphBuilder, packed: Value, range: number, rest: number): PerPart {
  const columns = (from: number, to: number) =>
    g.node("Slice", [packed, g.integers([from]), g.integers([to]), g.integers([1])]);
  return { range: columns(0, range), null: columns(range, range + rest) };
}
