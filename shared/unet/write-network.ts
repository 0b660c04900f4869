/** A network of any family as nodes of a graph, and the tensors it needs. */
import { GraphBuilder, type Value } from "../onnx/graph-builder.js";
import { writeAdm } from "./adm.js";
import type { Architecture } from "./architecture.js";
import { writeDdpm } from "./ddpm.js";
import { writeDiffusers } from "./diffusers-unet.js";
import { type Feature, Layers } from "./layers.js";
import { type ExpectedTensor, TensorList } from "./network-tensors.js";

/**
 * Writes the network.
 * @param x pictures [N, 3, H, W], float32
 * @param t timesteps [N], float32
 * @returns the raw prediction [N, 3, H, W], float32
 */
export function writeNetwork(layers: Layers, architecture: Architecture, x: Value, t: Value): Value {
  const input: Feature = { value: x, channels: 3, level: 0, type: "float32" };
  switch (architecture.family) {
    case "adm":
      return writeAdm(layers, architecture, input, t).value;
    case "ddpm":
      return writeDdpm(layers, architecture, input, t).value;
    case "diffusers":
      return writeDiffusers(layers, architecture, input, t).value;
  }
}

/** Names and PyTorch shapes of every tensor of a network, in the order it uses them. */
export function expectedTensors(architecture: Architecture): ExpectedTensor[] {
  const list = new TensorList();
  const graph = new GraphBuilder("tensors");
  const layers = new Layers(graph, list, "float32");
  writeNetwork(layers, architecture, graph.input("x", ["N", 3, "H", "W"]), graph.input("t", ["N"]));
  return list.tensors;
}

/** Values of all tensors together. */
export const parameterCount = (tensors: readonly ExpectedTensor[]): number =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
