import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { packageRoot } from "../package-root.js";
import { encodeSafetensors } from "../safetensors.js";
import { type Dimension, GraphBuilder, type PortType } from "./graph-builder.js";
import { encodeModel } from "./model-layout.js";
import { readRecordedCases } from "./recorded-cases.js";
import { compareOutputs, verifyModel } from "./verify-model.js";

const inPackage = (path: string): string => fileURLToPath(new URL(path, packageRoot));
const threads = 1;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "verify-model-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function stored(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

interface NetworkOptions {
  readonly factor?: number;
  readonly batch?: Dimension;
  readonly height?: Dimension;
  readonly time?: PortType;
  readonly weights?: "float32" | "float16";
}

/** eps = factor x + t / 1000. */
async function network(options: NetworkOptions = {}): Promise<string> {
  const { factor = 0.5, batch = "n", height = "h", time = "float32", weights = "float32" } = options;
  const dims = [batch, 3, height, "w"];
  const graph = new GraphBuilder("network");
  const x = graph.input("x", dims);
  const t = graph.input("t", [batch], time);
  const read = () => Promise.resolve(Float32Array.of(factor));
  const weight = graph.cast(graph.weight("factor", [1], weights, read), "float32");
  const shift = graph.node("Mul", [
    graph.reshape(graph.cast(t, "float32"), [-1, 1, 1, 1]),
    graph.scalar(0.001),
  ]);
  graph.output("eps", graph.node("Add", [graph.node("Mul", [x, weight]), shift]), dims);
  return stored("network.onnx", await encodeModel(graph));
}

const pixels = 2 * 3;
const x = Float32Array.from({ length: 2 * 3 * pixels }, (_, at) => Math.sin(at));
const t = Float32Array.of(0, 999);

/** What {@link network} gives for x and t, with `channels` recorded; channels past the third hold 100. */
const expected = (channels = 3): Float32Array =>
  Float32Array.from({ length: 2 * channels * pixels }, (_, at) => {
    const picture = Math.floor(at / (channels * pixels));
    const within = at % (channels * pixels);
    return within < 3 * pixels ? 0.5 * x[picture * 3 * pixels + within] + t[picture] / 1000 : 100;
  });

const recording = (output = "eps", channels = 3, ending = ""): Promise<string> =>
  stored(
    "io.safetensors",
    encodeSafetensors({
      [`x${ending}`]: { shape: [2, 3, 2, 3], values: x },
      [`t${ending}`]: { shape: [2], values: t },
      [output + ending]: { shape: [2, channels, 2, 3], values: expected(channels) },
    }),
  );

describe("verifyModel", () => {
  it("finds the given prior equal to its recording, in batches as recorded and picture by picture", async () => {
    const { cases, passed, tolerance } = await verifyModel(
      inPackage("test/fixtures/prior-pytorch.onnx"),
      inPackage("models/prior.io.safetensors"),
      { threads: 2 },
    );
    expect(cases.map(({ name, batch }) => `${name} by ${batch}`)).toEqual([
      "1x64x64 by 1",
      "3x64x96 by 3",
      "3x64x96 by 1",
      "2x128x128 by 2",
      "2x128x128 by 1",
    ]);
    expect([passed, tolerance]).toEqual([true, 1e-4]);
    for (const { relative, largest } of cases) {
      expect(relative).toBeLessThan(1e-6);
      expect(largest).toBeLessThan(1e-5);
    }
  });

  it.each([
    ["eps", 3, ""],
    ["out", 6, ""],
    ["output", 4, "_first"],
  ])("compares %s of %i channels recorded under the ending '%s'", async (output, channels, ending) => {
    const { cases } = await verifyModel(await network(), await recording(output, channels, ending), {
      threads,
    });
    expect(cases.map(({ name, batch }) => [name, batch])).toEqual([
      [ending.slice(1), 2],
      [ending.slice(1), 1],
    ]);
    for (const { relative } of cases) expect(relative).toBeLessThan(1e-6);
  });

  it("takes times as int64 or float32 on either side", async () => {
    const io = await recording();
    expect((await verifyModel(await network({ time: "int64" }), io, { threads })).passed).toBe(true);
    const recorded = await readRecordedCases(inPackage("test/fixtures/checkpoints/adm-tiny.io.safetensors"));
    expect(recorded).toMatchObject([{ name: "", dims: [2, 3, 32, 32] }]);
    expect(recorded[0].t.every((time) => Number.isInteger(time) && time >= 0 && time < 1000)).toBe(true);
    expect(recorded[0].eps).toHaveLength(2 * 3 * 32 * 32);
  });

  it("fails a network that is wrong by more than the tolerance, with the size of the error", async () => {
    const io = await recording();
    const wrong = await network({ factor: 0.501 });
    const { cases, passed } = await verifyModel(wrong, io, { threads });
    expect(passed).toBe(false);
    expect(cases.every((one) => !one.passed)).toBe(true);
    const largest = 0.001 * Math.max(...x.map(Math.abs));
    expect(cases[0].largest).toBeCloseTo(largest, 6);
    const norm = (values: Float32Array) => Math.hypot(...values);
    expect(cases[0].relative).toBeCloseTo((0.001 * norm(x)) / norm(expected()), 6);
    expect((await verifyModel(wrong, io, { threads, tolerance: 0.01 })).passed).toBe(true);
    expect(
      (await verifyModel(await network({ factor: 0.501, weights: "float16" }), io, { threads })).tolerance,
    ).toBe(2e-2);
  });

  it("evaluates models of a fixed batch by that batch", async () => {
    const io = await recording();
    for (const batch of [1, 2]) {
      const { cases, passed } = await verifyModel(await network({ batch }), io, { threads });
      expect([passed, cases.map((one) => one.batch)]).toEqual([true, [batch]]);
    }
    await expect(verifyModel(await network({ batch: 3 }), io, { threads })).rejects.toThrow(
      "takes 3 pictures a call, which does not divide the 2",
    );
  });

  it("refuses a model of another size or face, and one that ONNX Runtime refuses", async () => {
    const io = await recording();
    await expect(verifyModel(await network({ height: 4 }), io, { threads })).rejects.toThrow(
      "takes x [n, 3, 4, w], but the case x was recorded at [2, 3, 2, 3]",
    );
    const lone = new GraphBuilder("lone");
    lone.output("y", lone.node("Neg", [lone.input("x", ["n"])]), ["n"]);
    await expect(verifyModel(await stored("lone.onnx", lone.build()), io, { threads })).rejects.toThrow(
      "has inputs x and outputs y",
    );
    const invalid = new GraphBuilder("invalid");
    const made = invalid.node("NoSuchOperator", [
      invalid.input("x", ["n", 3, "h", "w"]),
      invalid.input("t", ["n"]),
    ]);
    invalid.output("eps", made, ["n", 3, "h", "w"]);
    const refused = verifyModel(await stored("invalid.onnx", invalid.build()), io, { threads });
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow("ONNX Runtime refuses the model");
  });
});

describe("readRecordedCases", () => {
  const tensors = {
    x: { shape: [2, 3, 2, 3], values: x },
    t: { shape: [2], values: t },
    eps: { shape: [2, 3, 2, 3], values: expected() },
  };

  it.each([
    ["no case", { y: tensors.x }, "no recorded case"],
    ["no output", { x: tensors.x, t: tensors.t }, "x has no output beside it"],
    ["no time", { x: tensors.x, eps: tensors.eps }, "no float32 tensor named t"],
    [
      "another number of times",
      { ...tensors, t: { shape: [1], values: t.slice(1) } },
      "do not belong together",
    ],
    [
      "an output of another size",
      { ...tensors, eps: { shape: [2, 3, 3, 2], values: expected() } },
      "do not belong together",
    ],
  ])("refuses a file with %s", async (_, content, message) => {
    const path = await stored("incomplete.safetensors", encodeSafetensors(content));
    await expect(readRecordedCases(path)).rejects.toThrow(InputError);
    await expect(readRecordedCases(path)).rejects.toThrow(message);
  });

  it("names a file that cannot be read", async () => {
    await expect(readRecordedCases(join(folder, "missing"))).rejects.toThrow(
      `${join(folder, "missing")} cannot be read`,
    );
  });
});

describe("compareOutputs", () => {
  it("takes anything not finite for an infinite error, and equal zeros for none", () => {
    const zeros = new Float32Array(2);
    expect(compareOutputs(zeros, zeros)).toEqual({ relative: 0, largest: 0 });
    expect(compareOutputs(Float32Array.of(0, Number.NaN), zeros)).toEqual({
      relative: Infinity,
      largest: Infinity,
    });
    expect(compareOutputs(Float32Array.of(3, 0), Float32Array.of(0, 4))).toEqual({
      relative: 1.25,
      largest: 4,
    });
  });
});
