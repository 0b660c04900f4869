/** A network that costs next to nothing, so that what remains is the system around it. */
import { writeFile } from "node:fs/promises";
import { GraphBuilder } from "../shared/onnx/graph-builder.js";

/**
 * Writes a model with eps = clip(x, -1, 1): one cheap operator, nonlinear, so that the rounds do not end early.
 * The timestep enters with weight zero, since unused inputs are dropped.
 */
export async function writeNullModel(path: string): Promise<void> {
  const g = new GraphBuilder("null-model");
  const x = g.input("x", ["N", 3, "H", "W"]);
  const t = g.input("t", ["N"]);
  const limit = (value: number) => g.constant(Float32Array.of(value), []);
  const nothing = g.reshape(g.node("Mul", [t, limit(0)]), [-1, 1, 1, 1]);
  const clipped = g.node("Clip", [x, limit(-1), limit(1)]);
  g.output("eps", g.node("Add", [clipped, nothing]), ["N", 3, "H", "W"]);
  await writeFile(path, g.build());
}
