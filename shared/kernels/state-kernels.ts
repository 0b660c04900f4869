/**
 * The graphs that run between two network calls of a round, for one operator and picture size. The number of states is
 * free and every coefficient is an input: one set of sessions serves every chain length, cut and method.
 *
 * ONNX Runtime's binding copies every output of a run once more, so a round has one large output, the corrected states.
 * The plain reference is `state-reference.ts`.
 */
import { GraphBuilder, type Value } from "../onnx/graph-builder.js";
import { Kernel, type SessionLimits } from "../onnx/session.js";
import { type PartSample, partSamples } from "./sampling.js";
import {
  type Part,
  parts,
  rangeMask,
  riderSize,
  StateGraph,
  type StateSpace,
  spectralBasis,
  stateSize,
} from "./state-space.js";

type Samples = Readonly<Record<Part, PartSample>>;

/** The sessions of a state space. States are [n, 3 H W], riders [n, riderSize]. */
export interface StateKernels {
  readonly space: StateSpace;
  /** What of each part the measuring kernels look at. */
  readonly samples: Samples;
  /** Picture -> state and back; undefined where they are the same. */
  readonly toState: Kernel | undefined;
  readonly toPicture: Kernel | undefined;
  /** Riders of states; undefined where P is a mask. */
  readonly riders: Kernel | undefined;
  /** N rows + P ((R - N) rows): every correction and every step. */
  readonly combine: Kernel;
  /** coefficients . rows, the same on both parts. */
  readonly mix: Kernel;
  /** <a_i, b_i> of every row. */
  readonly rowDots: Kernel;
  /** Squares of residuals on each part, on samples (sampling.ts). */
  readonly residuals: Kernel;
  /** The same, and the products of the secant estimate. */
  readonly secants: Kernel;
  release(): Promise<void>;
}

/** Builds the graphs of {@link StateKernels} and loads them. */
export async function loadStateKernels(space: StateSpace, limits: SessionLimits): Promise<StateKernels> {
  const { height, width } = space.picture;
  const size = stateSize(space);
  const riders = riderSize(space);
  const samples = partSamples(space);
  const pictureDims = ["n", 3, height, width] as const;
  const loading: Promise<Kernel>[] = [];
  const graph = (name: string, body: (g: GraphBuilder, states: StateGraph) => void): Promise<Kernel> => {
    const g = new GraphBuilder(name);
    body(g, new StateGraph(g, space));
    const kernel = Kernel.load(g.build(), limits);
    loading.push(kernel);
    return kernel;
  };
  const spectral = spectralBasis(space) !== undefined;
  const kernels = {
    space,
    samples,
    toState: await (spectral &&
      graph("to-state", (g, states) =>
        g.output("state", states.toState(g.input("x", pictureDims)), ["n", size]),
      )),
    toPicture: await (spectral &&
      graph("to-picture", (g, states) =>
        g.output("x", states.toPicture(g.input("state", ["n", size])), pictureDims),
      )),
    riders: await (riders > 0 &&
      graph("riders", (g, states) =>
        g.output("riders", states.riders(g.input("state", ["n", size])), ["n", riders]),
      )),
    combine: await graph("combine", (g, states) => {
      const rows = g.input("rows", ["k", size]);
      const base = g.node("MatMul", [g.input("null", ["m", "k"]), rows]);
      const difference = g.input("rangeMinusNull", ["m", "k"]);
      const inRange = g.node("MatMul", [difference, riders > 0 ? g.input("riders", ["k", riders]) : rows]);
      const out =
        riders > 0
          ? states.addRange(base, inRange)
          : g.node("Add", [base, g.node("Mul", [inRange, g.constant(rangeMask(space), [1, size])])]);
      g.output("out", out, ["m", size]);
    }),
    mix: await graph("mix", (g) => {
      const rows = g.input("rows", ["k", "size"]);
      g.output("out", g.node("MatMul", [g.input("coefficients", ["m", "k"]), rows]), ["m", "size"]);
    }),
    rowDots: await graph("row-dots", (g) => {
      const product = g.node("Mul", [g.input("a", ["n", size]), g.input("b", ["n", size])]);
      g.output("dots", rowSums(g, product), ["n"]);
    }),
    residuals: await graph("residuals", (g, states) => measure(g, states, space, samples, false)),
    secants: await graph("secants", (g, states) => measure(g, states, space, samples, true)),
  };
  return {
    ...kernels,
    toState: kernels.toState || undefined,
    toPicture: kernels.toPicture || undefined,
    riders: kernels.riders || undefined,
    release: async () => {
      for (const kernel of loading) await (await kernel).release();
    },
  };
}

/** Sum over everything but the rows. Faster in ONNX Runtime than ReduceSumSquare, which is not vectorised. */
function rowSums(g: GraphBuilder, values: Value): Value {
  return g.node("ReduceSum", [g.node("Flatten", [values], { axis: 1 }), g.integers([1])], { keepdims: 0 });
}

/**
 * Inputs: the rows, and for each quantity q in (residual, made, state) its coefficients `q.null` and `q.range`. `made` is
 * f(z), `state` z. Outputs: `squares.part` of the residuals; with secants also samples of `made` and `state` on both
 * parts, and <dz, dz>, <dz, df> against those of the round before.
 */
function measure(
  g: GraphBuilder,
  states: StateGraph,
  space: StateSpace,
  samples: Samples,
  secants: boolean,
): void {
  const rows = g.input("rows", ["k", stateSize(space)]);
  const riders = riderSize(space) > 0 ? g.input("riders", ["k", riderSize(space)]) : undefined;
  const measured = measuredRows(g, states, space, samples, rows, riders);
  const quantity = (name: string) =>
    onParts((part) => g.node("MatMul", [g.input(`${name}.${part}`, ["n", "k"]), measured[part]]));
  const residual = quantity("residual");
  for (const part of parts) {
    g.output(`squares.${part}`, rowSums(g, g.node("Mul", [residual[part], residual[part]])), ["n"]);
  }
  if (!secants) return;
  const made = quantity("made");
  const state = quantity("state");
  for (const part of parts) {
    const since = (name: string, value: Value) =>
      g.node("Sub", [value, g.input(`previous.${name}.${part}`, ["n", samples[part].size])]);
    const dz = since("state", state[part]);
    const df = since("made", made[part]);
    g.output(`dzdz.${part}`, rowSums(g, g.node("Mul", [dz, dz])), ["n"]);
    g.output(`dzdf.${part}`, rowSums(g, g.node("Mul", [dz, df])), ["n"]);
    g.output(`sample.made.${part}`, made[part], ["n", samples[part].size]);
    g.output(`sample.state.${part}`, state[part], ["n", samples[part].size]);
  }
}

const onParts = (make: (part: Part) => Value): Record<Part, Value> => ({
  range: make("range"),
  null: make("null"),
});

/** The parts of all rows, as far as they are measured. */
function measuredRows(
  g: GraphBuilder,
  states: StateGraph,
  space: StateSpace,
  samples: Samples,
  rows: Value,
  riders: Value | undefined,
): Record<Part, Value> {
  const at = (positions: readonly number[]) => g.node("Gather", [rows, g.integers(positions)], { axis: 1 });
  if (riders) {
    const { positions } = samples.null;
    const rest = positions
      ? g.node("Sub", [at(positions), states.rangeAt(riders, positions)])
      : states.addRange(rows, g.node("Neg", [riders]));
    return { range: riders, null: rest };
  }
  const mask = rangeMask(space);
  return onParts((part) => {
    const { positions } = samples[part];
    if (positions) return at(positions);
    const inPart = part === "range" ? mask : mask.map((v) => 1 - v);
    return g.node("Mul", [rows, g.constant(inPart, [1, mask.length])]);
  });
}
