import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { packageRoot } from "../package-root.js";
import { GraphBuilder, type Value } from "./graph-builder.js";
import { multiplyAdds } from "./multiply-adds.js";
import { type Model, readModel } from "./read-model.js";

const given = fileURLToPath(new URL("test/fixtures/prior-pytorch.onnx", packageRoot));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "multiply-adds-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function modelOf(graph: GraphBuilder): Promise<Model> {
  const path = join(folder, "model.onnx");
  await writeFile(path, graph.build());
  return readModel(path);
}

/**
 * The default prior's cost from its architecture (models/prior.yaml): a guided-diffusion U-Net of width 32, multipliers
 * 1 2 3 4, one residual block a level, resblock up/down, attention in the middle only.
 */
function priorCost(batch: number, height: number, width: number): number {
  const base = 32;
  const levels = [1, 2, 3, 4].map((factor) => factor * base);
  const embedding = 4 * base;
  let total = base * embedding + embedding * embedding;
  const conv = (from: number, to: number, kernel: number, level: number) => {
    total += (from * to * kernel ** 2 * height * width) / 4 ** level;
  };
  /** Two 3x3 convolutions at the block's output size, scale and shift from the embedding, a 1x1 skip if widths differ. */
  const block = (from: number, to: number, level: number) => {
    conv(from, to, 3, level);
    conv(to, to, 3, level);
    total += embedding * 2 * to;
    if (from !== to) conv(from, to, 1, level);
  };
  conv(3, base, 3, 0);
  const skips = [base];
  let channels = base;
  for (const [level, wide] of levels.entries()) {
    block(channels, wide, level);
    channels = wide;
    skips.push(channels);
    if (level < 3) {
      block(channels, channels, level + 1);
      skips.push(channels);
    }
  }
  block(channels, channels, 3);
  const positions = (height * width) / 4 ** 3;
  total += 3 * channels * channels * positions + channels * channels * positions;
  total += 2 * channels * positions ** 2;
  block(channels, channels, 3);
  for (const level of [3, 2, 1, 0]) {
    for (const last of [false, true]) {
      block(channels + (skips.pop() ?? 0), levels[level], level);
      channels = levels[level];
      if (last && level > 0) block(channels, channels, level - 1);
    }
  }
  conv(channels, 3, 3, 0);
  return batch * total;
}

describe("multiplyAdds", () => {
  it.each([
    [1, 256, 256],
    [3, 64, 96],
    [2, 8, 8],
  ])(
    "counts the default prior, exported by PyTorch, as its architecture says (%i x %i x %i)",
    async (batch, height, width) => {
      const cost = multiplyAdds(await readModel(given), { batch, height, width });
      expect(cost.total).toBe(priorCost(batch, height, width));
      expect(cost.operators[0]).toMatchObject({ op: "Conv", nodes: 55 });
      expect(cost.operators.reduce((sum, { multiplyAdds: macs }) => sum + macs, 0)).toBe(cost.total);
      expect(cost.operators.reduce((sum, { nodes }) => sum + nodes, 0)).toBe(1236);
      expect(cost.shapes).toEqual(
        new Map([
          ["x", [batch, 3, height, width]],
          ["t", [batch]],
          ["eps", [batch, 3, height, width]],
        ]),
      );
    },
  );

  it("counts grouped, strided and transposed convolutions, products of matrices and sums of products", async () => {
    const graph = new GraphBuilder("products");
    const x = graph.input("x", ["n", 4, "h", "w"]);
    const zeros = (...dims: number[]): Value =>
      graph.constant(new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
    const strided = { strides: [2, 2], pads: [1, 1, 1, 1], group: 2 };
    const conv = graph.node("Conv", [x, zeros(6, 2, 3, 3)], strided);
    const up = graph.node("ConvTranspose", [conv, zeros(6, 5, 2, 2)], { strides: [2, 2] });
    const flat = graph.node("Flatten", [up], { axis: 1 });
    const gemm = graph.node("Gemm", [flat, zeros(7, 5 * 64)], { transB: 1 });
    const rows = graph.reshape(gemm, [0, 7, 1]);
    const outer = graph.node("MatMul", [rows, zeros(1, 9)]);
    graph.output("y", graph.node("Einsum", [outer, zeros(9, 2)], { equation: "nij,jk->nki" }), ["n", 2, 7]);
    const cost = multiplyAdds(await modelOf(graph), { batch: 3, height: 8, width: 8 });
    expect(new Map(cost.operators.map(({ op, multiplyAdds: macs }) => [op, macs]))).toEqual(
      new Map([
        ["Conv", 3 * 6 * 16 * (2 * 9)],
        // Every input value meets every weight of its channel.
        ["ConvTranspose", 3 * 6 * 16 * (5 * 4)],
        ["Gemm", 3 * 7 * 320],
        ["MatMul", 3 * 7 * 9],
        ["Einsum", 3 * 7 * 9 * 2],
        ["Flatten", 0],
        ["Reshape", 0],
      ]),
    );
    expect(cost.shapes.get("y")).toEqual([3, 2, 7]);
  });

  it("takes what the model fixes, and refuses a size that contradicts it or is missing", async () => {
    const fixed = new GraphBuilder("fixed");
    fixed.output("y", fixed.node("Neg", [fixed.input("x", [2, 3, 8, "w"])]), [2, 3, 8, "w"]);
    const model = await modelOf(fixed);
    expect(multiplyAdds(model, { width: 4 }).shapes.get("y")).toEqual([2, 3, 8, 4]);
    expect(() => multiplyAdds(model, { width: 4, height: 16 })).toThrow("the fixed height 8, not 16");
    expect(() => multiplyAdds(model, { batch: 2, height: 8 })).toThrow("no fixed width; ask for a size");
    for (const width of [0, -8, 1.5, Number.NaN]) {
      expect(() => multiplyAdds(model, { width })).toThrow(`width ${width} of an evaluation`);
    }
  });

  it("names the node whose shape cannot be inferred, and why", async () => {
    const refused = async (op: string, build: (graph: GraphBuilder, x: Value) => Value): Promise<string> => {
      const graph = new GraphBuilder("refused");
      const out = build(graph, graph.input("x", ["n", 4, "h", "w"]));
      graph.output("y", graph.node("Neg", [out]), ["?"]);
      const model = await modelOf(graph);
      let message = "";
      try {
        multiplyAdds(model, { height: 6, width: 5 });
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        message = error instanceof Error ? error.message : "";
      }
      expect(message).toContain(`node ${out} (${op}): `);
      return message;
    };
    const zeros = (graph: GraphBuilder, ...dims: number[]) =>
      graph.constant(new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
    expect(await refused("NonZero", (g, x) => g.node("NonZero", [x]))).toContain("no rule");
    expect(await refused("Conv", (g, x) => g.node("Conv", [x, zeros(g, 8, 3, 3, 3)]))).toContain(
      "weights [8, 3, 3, 3] do not fit an input [1, 4, 6, 5]",
    );
    expect(await refused("Conv", (g, x) => g.node("Conv", [x, zeros(g, 8, 4, 7, 7)]))).toContain(
      "does not fit into 6",
    );
    expect(await refused("Add", (g, x) => g.node("Add", [x, zeros(g, 3)]))).toContain("[1, 4, 6, 5] and [3]");
    expect(await refused("MatMul", (g, x) => g.node("MatMul", [x, zeros(g, 4, 4)]))).toContain(
      "cannot be multiplied",
    );
    expect(
      await refused("Concat", (g, x) => g.node("Concat", [x, zeros(g, 1, 4, 6, 1)], { axis: 1 })),
    ).toContain("along axis 1");
    expect(await refused("Reshape", (g, x) => g.reshape(x, [7, -1]))).toContain(
      "cannot be reshaped to [7, -1]",
    );
    expect(
      await refused("Reshape", (g, x) => g.node("Reshape", [x, g.cast(g.node("ReduceMax", [x]), "int64")])),
    ).toContain("known at run time only");
    expect(await refused("Add", (g, x) => g.node("Add", [x, "lost" as Value]))).toContain(
      "input lost is not known",
    );
    expect(
      await refused("Split", (g, x) => g.nodes("Split", [x, g.integers([1, 2])], { axis: 1 }, 2)[0]),
    ).toContain("cannot be split into [1, 2]");
  });
});
