/** A network that costs next to nothing, so that what remains is the system around it. */
import { writeFile } from "node:fs/promises";
import { GraphBuilder } from "../shared/onnx/graph-builder.js";

/** Its card says so: without one, pictures would be padded to 64x64, and small ones not be small. */
const card = { sizeMultiple: 8 };

/**
 * Writes a model, and its card beside it, with eps = clip(x, -1, 1): one cheap operator, nonlinear, so that the rounds do not end early.
 * The timesteps enter the lower limit with weight zero, since unused inputs are dropped.
 */
export async function writeNullModel(path: string): Promise<void> {
  const g = new GraphBuilder("null-model");
  const x = g.input("x", ["N", 3, "H", "W"]);
  const t = g.input("t", ["N"]);
  const number = (value: number) => g.constant(Float32Array.of(value), []);
  const nothing = g.node("Mul", [g.node("ReduceMax", [t], { keepdims: 0 }), number(0)]);
  const clipped = g.node("Clip", [x, g.node("Add", [nothing, number(-1)]), number(1)]);
  g.output("eps", clipped, ["N", 3, "H", "W"]);
  await writeFile(path, g.build());
  await writeFile(path.replace(/\.onnx$/, ".json"), JSON.stringify(card));
}
