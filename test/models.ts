/** Small ONNX models written to files, for tests that span processes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GraphBuilder, type Value } from "../shared/onnx/graph-builder.js";
import { Kernel } from "../shared/onnx/session.js";

const anySize = ["n", 3, "h", "w"] as const;

/** A graph x [n, 3, h, w], t [n] -> eps. */
function noiseModel(
  name: string,
  body: (g: GraphBuilder, x: Value, t: Value) => Value,
  channels = 3,
  dims: readonly (number | string)[] = anySize,
): Uint8Array {
  const g = new GraphBuilder(name);
  const eps = body(g, g.input("x", dims), g.input("t", [dims[0]]));
  g.output("eps", eps, [dims[0], channels, ...dims.slice(2)]);
  return g.build();
}

const scalar = (g: GraphBuilder, value: number) => g.constant(Float32Array.of(value), [1]);

const scaled = (g: GraphBuilder, x: Value, factor: number) => g.node("Mul", [x, scalar(g, factor)]);

/** eps = 0. */
export const nullModel = (): Uint8Array => noiseModel("null", (g, x) => scaled(g, x, 0));

/** eps = factor x. */
export const linearModel = (factor: number): Uint8Array =>
  noiseModel("linear", (g, x) => scaled(g, x, factor));

/** eps = tanh(x): a smooth network that every round has to correct anew. */
export const smoothModel = (): Uint8Array => noiseModel("smooth", (g, x) => g.node("Tanh", [x]));

/** eps = (factor x, 7, 7, 7): six channels, the last three of which are to be ignored. */
export const sixChannelModel = (factor: number): Uint8Array =>
  noiseModel(
    "six-channels",
    (g, x) => {
      const variance = g.node("Add", [scaled(g, x, 0), scalar(g, 7)]);
      return g.node("Concat", [scaled(g, x, factor), variance], { axis: 1 });
    },
    6,
  );

/** eps with four channels: no noise estimate. */
export const fourChannelModel = (): Uint8Array =>
  noiseModel(
    "four-channels",
    (g, x) => g.node("Concat", [x, g.node("ReduceMean", [x], { axes: [1], keepdims: 1 })], { axis: 1 }),
    4,
  );

/** eps = 0.1 x down to `threshold`; not a number at timesteps below. */
export const breakingModel = (threshold: number): Uint8Array =>
  noiseModel("breaking", (g, x, t) => {
    // sqrt of a negative number.
    const root = g.node("Sqrt", [g.node("Sub", [t, scalar(g, threshold)])]);
    const poison = g.reshape(g.node("Mul", [root, scalar(g, 0)]), [-1, 1, 1, 1]);
    return g.node("Add", [scaled(g, x, 0.1), poison]);
  });

/** eps = 0.1 x, for pictures of one size only. */
export const fixedSizeModel = (height: number, width: number): Uint8Array =>
  noiseModel("fixed-size", (g, x) => scaled(g, x, 0.1), 3, ["n", 3, height, width]);

/** One input only. */
export function timelessModel(): Uint8Array {
  const g = new GraphBuilder("timeless");
  g.output("eps", scaled(g, g.input("x", anySize), 0.1), anySize);
  return g.build();
}

const side = 512;

/** eps = tanh(x) + 0 . (a product of many matrices made from t, which nothing can compute beforehand). */
function laboriousModel(products: number): Uint8Array {
  return noiseModel("laborious", (g, x, t) => {
    const ramp = Float32Array.from({ length: side * side }, (_, i) => Math.sin(i));
    const first = g.node("Gather", [t, g.integers([0])]);
    let matrix = g.node("Sin", [g.node("Add", [g.constant(ramp, [side, side]), first])]);
    for (let i = 0; i < products; i++) matrix = g.node("Tanh", [g.node("MatMul", [matrix, matrix])]);
    const nothing = scaled(g, g.node("ReduceMean", [matrix], { keepdims: 0 }), 0);
    return g.node("Add", [g.node("Tanh", [x]), nothing]);
  });
}

/** Seconds one evaluation of a model takes here, on one thread. */
async function measure(model: Uint8Array): Promise<number> {
  const kernel = await Kernel.load(model, { threads: 1 });
  const x = { values: new Float32Array(3 * 64), dims: [1, 3, 8, 8] };
  const run = () =>
    kernel.run(
      { x, t: { values: Float32Array.of(5), dims: [1] } },
      { eps: { values: new Float32Array(3 * 64), dims: [1, 3, 8, 8] } },
    );
  await run();
  // The fastest of several: other programs may slow one down, nothing speeds one up.
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    await run();
    fastest = Math.min(fastest, (performance.now() - started) / 1000);
  }
  await kernel.release();
  return fastest;
}

/** A model that computes for at least about so many seconds in one run, however fast the machine. */
export async function slowModel(seconds: number): Promise<Uint8Array> {
  const products = 10;
  const perProduct = (await measure(laboriousModel(products))) / products;
  return laboriousModel(Math.max(1, Math.ceil(seconds / perProduct)));
}

/** A folder of models that goes away with `remove`. */
export class ModelFolder {
  readonly path = mkdtempSync(join(tmpdir(), "deqfleet-models-"));

  /** Writes a model; returns its path. */
  write(name: string, model: Uint8Array | string): string {
    const path = join(this.path, name);
    writeFileSync(path, model);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
