import { createHash } from "node:crypto";
import { copyFile, mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { packageRoot } from "../package-root.js";
import { GraphBuilder } from "./graph-builder.js";
import { inspectModel } from "./inspect-model.js";
import { multiplyAdds } from "./multiply-adds.js";
import { readModel } from "./read-model.js";
import { writeModel } from "./write-model.js";

const given = fileURLToPath(new URL("test/fixtures/prior-pytorch.onnx", packageRoot));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inspect-model-"));
});
afterAll(() => rm(folder, { recursive: true }));

const sha256 = (...parts: Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/** y = x W + b + 1 with a float32 bias and a float16 weight. */
function linear(): GraphBuilder {
  const graph = new GraphBuilder("linear");
  const x = graph.input("x", ["n", 30]);
  const values = (count: number) => () => Promise.resolve(new Float32Array(count).fill(0.5));
  const weight = graph.cast(graph.weight("fc.weight", [30, 20], "float16", values(600)), "float32");
  const sum = graph.node("Gemm", [x, weight, graph.weight("fc.bias", [20], "float32", values(20))]);
  graph.output("y", graph.node("Add", [sum, graph.scalar(1)]), ["n", 20]);
  graph.metadata("family", "linear");
  return graph;
}

describe("inspectModel", () => {
  it("tells a PyTorch export's face, size, hash and cost", async () => {
    const size = { batch: 2, height: 64, width: 64 };
    const inspection = await inspectModel(given, { size });
    // The network's 4162563 parameters, and its two schedule tables of 1000.
    expect(inspection).toMatchObject({
      opset: 17,
      nodes: 1236,
      parameters: 4162563 + 2000,
      files: [{ path: given, bytes: 16960810 }],
    });
    expect(inspection.weightBytes).toEqual(new Map([["float32", 4 * (4162563 + 2000)]]));
    expect(inspection.sha256).toBe(sha256(await readFile(given)));
    expect(inspection.files[0].sha256).toBe(inspection.sha256);
    expect(inspection.cost).toEqual(multiplyAdds(await readModel(given), size));
  });

  it("counts weights but no constants of the computation, and hashes the weights' file after the model", async () => {
    const path = join(folder, "linear.onnx");
    await writeModel(linear(), path, { externalData: "always" });
    const inspection = await inspectModel(path);
    expect(inspection.parameters).toBe(620);
    expect(inspection.weightBytes).toEqual(
      new Map([
        ["float16", 1200],
        ["float32", 80],
      ]),
    );
    const [model, data] = await Promise.all([readFile(path), readFile(`${path}.data`)]);
    expect(inspection.files).toEqual([
      { path, bytes: model.byteLength, sha256: sha256(model) },
      { path: `${path}.data`, bytes: 1200, sha256: sha256(data) },
    ]);
    expect(inspection.sha256).toBe(sha256(model, data));
    expect(inspection.metadata).toEqual(new Map([["family", "linear"]]));
    expect(inspection.cost).toBeUndefined();
  });

  it("names the weight and the file when weights are missing or cut off", async () => {
    const path = join(folder, "whole.onnx");
    await writeModel(linear(), path, { externalData: "always" });
    await truncate(`${path}.data`, 1199);
    await expect(inspectModel(path)).rejects.toThrow(InputError);
    await expect(inspectModel(path)).rejects.toThrow(
      `the weight fc.weight ends at byte 1200 of ${path}.data, which has only 1199`,
    );
    const elsewhere = join(folder, "elsewhere.onnx");
    await copyFile(path, elsewhere);
    await rm(`${path}.data`);
    await expect(inspectModel(elsewhere)).rejects.toThrow("whole.onnx.data, which cannot be read");
  });

  it("stops when asked to", async () => {
    await expect(inspectModel(given, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});
