import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { openCheckpoint } from "../checkpoint/open-checkpoint.js";
import { readModel } from "../onnx/read-model.js";
import { sessionOptions } from "../onnx/session.js";
import { compareOutputs, verifyModel } from "../onnx/verify-model.js";
import { writeModel } from "../onnx/write-model.js";
import { packageRoot } from "../package-root.js";
import { networkFolderOf } from "./diffusers-config.js";
import { type ImportOptions, importModel } from "./import-model.js";
import { networkFromDocument, readArchitecture } from "./read-architecture.js";

const inPackage = (path: string): string => fileURLToPath(new URL(path, packageRoot));
const fixture = (name: string): string => inPackage(`test/fixtures/checkpoints/${name}`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-import-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs `use` with an open checkpoint. */
async function opened<T>(path: string, use: (checkpoint: Checkpoint) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(await networkFolderOf(path));
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

let written = 0;

/** Imports a checkpoint into a file of its own. */
const imported = (path: string, options: Omit<ImportOptions, "checkpoint"> = {}) =>
  opened(path, async (checkpoint) => {
    const model = await importModel({ checkpoint, ...options });
    const out = join(folder, `${written++}.onnx`);
    await writeModel(model.graph, out);
    return { ...model, out };
  });

const session = (path: string) => ort.InferenceSession.create(path, sessionOptions({ threads: 1 }));

/** Deterministic values in [-1, 1]. */
const noise = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * i * 0.37 + i));

async function evaluate(network: ort.InferenceSession, dims: readonly number[], t: readonly number[]) {
  const x = new ort.Tensor("float32", noise(dims.reduce((a, b) => a * b, 1)), dims);
  const { eps } = await network.run({ x, t: new ort.Tensor("float32", Float32Array.from(t), [t.length]) });
  if (!(eps.data instanceof Float32Array)) throw new Error(`eps is ${eps.type}`);
  return { dims: eps.dims, values: eps.data };
}

/** Checkpoint, architecture file (none: the folder's own), and recording. */
const recorded = [
  ["adm-tiny.pt", "adm-tiny.json", "adm-tiny.io.safetensors"],
  ["adm-tiny-legacy.pt", "adm-tiny-legacy.json", "adm-tiny-legacy.io.safetensors"],
  ["adm-pooled.safetensors", "adm-pooled.json", "adm-pooled.io.safetensors"],
  ["adm-updown.safetensors", "adm-updown.json", "adm-updown.io.safetensors"],
  ["ddpm-tiny.ckpt", "ddpm-tiny.json", "ddpm-tiny.io.safetensors"],
  ["diffusers-celebahq", undefined, "diffusers-celebahq/io.safetensors"],
  ["diffusers-scale-shift", undefined, "diffusers-scale-shift/io.safetensors"],
  ["diffusers-pipeline", undefined, "diffusers-pipeline/io.safetensors"],
] as const;

describe.each(recorded)("importModel of %s", (file, architectureFile, io) => {
  const describedOptions = async () =>
    architectureFile ? await readArchitecture(fixture(architectureFile)) : {};

  // ||a - b|| / ||b|| over all pictures, evaluated together and one by one.
  it.each([
    ["float32", 1e-4],
    ["float16", 2e-2],
  ] as const)("agrees with PyTorch in %s to %d", async (precision, tolerance) => {
    const { out, unused } = await imported(fixture(file), { precision, ...(await describedOptions()) });
    expect(unused).toEqual([]);
    const { cases, passed } = await verifyModel(out, fixture(io), { threads: 1, tolerance });
    expect(cases.map(({ batch }) => batch)).toEqual(expect.arrayContaining([1, 2]));
    expect(passed, JSON.stringify(cases)).toBe(true);
  });

  it("agrees at a fixed size, too", async () => {
    const { out, card } = await imported(fixture(file), {
      ...(await describedOptions()),
      fixed: { height: 32, width: 64 },
    });
    const any = await imported(fixture(file), await describedOptions());
    const [a, b] = [await session(out), await session(any.out)];
    const dims = [2, 3, 32, 64];
    const errors = compareOutputs(
      (await evaluate(a, dims, [3, 700])).values,
      (await evaluate(b, dims, [3, 700])).values,
    );
    expect(errors.relative).toBeLessThan(1e-6);
    const { inputs, outputs } = await readModel(out);
    expect(inputs.map((input) => input.dims.slice(1))).toEqual([[3, 32, 64], []]);
    expect(outputs[0].dims.slice(1)).toEqual([3, 32, 64]);
    expect(64 % card.sizeMultiple).toBe(0);
    await Promise.all([a.release(), b.release()]);
  });
});

describe("importModel", () => {
  it.each([
    ["adm-tiny.pt", "adm-tiny.json", { headChannels: 32, attentionOrder: "legacy", imageSize: 32 }],
    ["adm-tiny-legacy.pt", "adm-tiny-legacy.json", { heads: 4, attentionOrder: "legacy", imageSize: 32 }],
    [
      "adm-pooled.safetensors",
      "adm-pooled.json",
      { heads: 4, headsUpsample: 2, attentionOrder: "new", imageSize: 32 },
    ],
    [
      "adm-updown.safetensors",
      "adm-updown.json",
      { headChannels: 16, attentionOrder: "legacy", imageSize: 32 },
    ],
    ["ddpm-tiny.ckpt", "ddpm-tiny.json", { imageSize: 32 }],
    [
      "../../../models/prior.pt",
      "../../../models/prior.json",
      { headChannels: 32, attentionOrder: "legacy", imageSize: 64 },
    ],
  ] as const)("infers the architecture of %s", async (file, architectureFile, flags) => {
    const { architecture } = await readArchitecture(fixture(architectureFile));
    const found = await opened(fixture(file), (checkpoint) => importModel({ checkpoint, flags }));
    expect(found.architecture).toEqual(architecture);
  });

  it("builds the default prior: equal to the exported one to 1e-5 at any size and time", async () => {
    const described = await readArchitecture(inPackage("models/prior.json"));
    const prior = await imported(inPackage("models/prior.pt"), described);
    expect(prior.parameters).toBe(4_162_563);
    const [a, b] = [await session(prior.out), await session(inPackage("test/fixtures/prior-pytorch.onnx"))];
    const sizes = [
      [1, 3, 64, 64],
      [3, 3, 40, 72],
      [2, 3, 128, 96],
      [1, 3, 8, 8],
    ];
    for (const dims of sizes) {
      for (const first of [0, 1, 499.7, 998, 999]) {
        const t = Array.from({ length: dims[0] }, (_, i) => Math.max(0, first - 250 * i));
        const { largest } = compareOutputs(
          (await evaluate(a, dims, t)).values,
          (await evaluate(b, dims, t)).values,
        );
        expect(largest, `[${dims}] at ${t}`).toBeLessThan(1e-5);
      }
    }
    await Promise.all([a.release(), b.release()]);
  });

  it.each(["epsilon", "v_prediction", "sample"] as const)(
    "gives the noise estimate of a network of %s",
    async (prediction) => {
      const { architecture } = await readArchitecture(fixture("ddpm-tiny.json"));
      const [raw, converted] = [
        await imported(fixture("ddpm-tiny.ckpt"), { architecture, prediction: "epsilon" }),
        await imported(fixture("ddpm-tiny.ckpt"), {
          architecture,
          prediction,
          schedule: { kind: "betas", betas: [0.1, 0.2, 0.5] },
        }),
      ];
      const [a, b] = [await session(raw.out), await session(converted.out)];
      const dims = [3, 3, 8, 8];
      const x = noise(3 * 3 * 8 * 8);
      // Times are truncated to the table's places.
      const t = [0, 1.9, 2];
      const abars = [0.9, 0.72, 0.36];
      const p = (await evaluate(a, dims, t)).values;
      const expected = p.map((value, i) => {
        const abar = abars[Math.floor(i / (3 * 8 * 8))];
        if (prediction === "epsilon") return value;
        if (prediction === "v_prediction") return Math.sqrt(abar) * value + Math.sqrt(1 - abar) * x[i];
        return (x[i] - Math.sqrt(abar) * value) / Math.sqrt(1 - abar);
      });
      expect(compareOutputs((await evaluate(b, dims, t)).values, expected).relative).toBeLessThan(1e-6);
      await Promise.all([a.release(), b.release()]);
    },
  );

  it("keeps the side of the training pictures with an architecture that is given", async () => {
    const { architecture } = await readArchitecture(fixture("ddpm-tiny.json"));
    const flags = { imageSize: 48 };
    const found = await opened(fixture("ddpm-tiny.ckpt"), (checkpoint) =>
      importModel({ checkpoint, architecture, flags }),
    );
    expect(found.card.architecture).toEqual({ ...architecture, image_size: 48 });
  });

  it.each([17, 18] as const)("writes the operator set %d", async (opset) => {
    const { out } = await imported(fixture("adm-tiny.pt"), {
      ...(await readArchitecture(fixture("adm-tiny.json"))),
      opset,
    });
    expect((await readModel(out)).opset).toBe(opset);
    const io = fixture("adm-tiny.io.safetensors");
    expect((await verifyModel(out, io, { threads: 1 })).passed).toBe(true);
  });

  it("tells neighbouring late times apart in float16", async () => {
    const { architecture } = await readArchitecture(fixture("adm-tiny.json"));
    const { out } = await imported(fixture("adm-tiny.pt"), { architecture, precision: "float16" });
    const network = await session(out);
    const at = async (t: number) => (await evaluate(network, [1, 3, 32, 32], [t])).values;
    const [early, late] = [await at(998), await at(998.25)];
    // In float16 both times would be 998.
    expect(compareOutputs(late, early).relative).toBeGreaterThan(1e-4);
    await network.release();
  });

  it("keeps float16 weights but for norms, embeddings and the last convolution", async () => {
    const { architecture } = await readArchitecture(fixture("adm-tiny.json"));
    const { out } = await imported(fixture("adm-tiny.pt"), { architecture, precision: "float16" });
    const { initializers, inputs, outputs } = await readModel(out);
    const weights = initializers.filter(({ name }) => /\.(weight|bias)$/.test(name));
    const island = /norm|in_layers\.0|out_layers\.0|emb|^out\./;
    for (const { name, elementType } of weights) {
      expect(elementType, name).toBe(island.test(name) ? "float32" : "float16");
    }
    expect([...inputs, ...outputs].map(({ elementType }) => elementType)).toEqual([
      "float32",
      "float32",
      "float32",
    ]);
  });

  it.each([
    ["adm-tiny.pt", { heads: 1 }, 1e-5],
    ["ddpm-tiny.ckpt", {}, 1e-6],
    ["diffusers-celebahq", {}, 1e-6],
    ["diffusers-scale-shift", {}, 1e-5],
  ] as const)("normalises %s with its source's epsilon", async (file, flags, eps) => {
    const { graph } = await opened(fixture(file), (checkpoint) => importModel({ checkpoint, flags }));
    const norms = graph.contents().nodes.filter(({ opType }) => opType === "InstanceNormalization");
    expect(norms.length).toBeGreaterThan(5);
    for (const { attributes } of norms) expect(attributes.epsilon).toEqual({ float: eps });
  });

  it("writes three output channels of a network with learned sigma, and says what it is", async () => {
    const { architecture } = await readArchitecture(fixture("adm-tiny.json"));
    const { out, card } = await imported(fixture("adm-tiny.pt"), { architecture, licence: "CC0" });
    const { metadata, initializers } = await readModel(out);
    expect(initializers.find(({ name }) => name === "out.2.weight")?.dims).toEqual([3, 32, 3, 3]);
    expect(card).toMatchObject({ family: "adm", sizeMultiple: 2, prediction: "epsilon", licence: "CC0" });
    expect(card.source_sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.parse(metadata.get("architecture") ?? "")).toEqual(architecture);
    expect(metadata.get("source_sha256")).toBe(card.source_sha256);
    expect(metadata.get("licence")).toBe("CC0");
    expect(JSON.parse(metadata.get("schedule") ?? "")).toEqual(card.schedule);
  });

  it("describes the network by its card as well as by its own files", async () => {
    const path = fixture("diffusers-pipeline");
    const { card, architecture } = await opened(path, (checkpoint) => importModel({ checkpoint }));
    const described = networkFromDocument(JSON.parse(JSON.stringify(card)), "card.json");
    expect(described).toEqual({ architecture, prediction: card.prediction, schedule: card.schedule });
  });

  it("takes prediction and schedule from a pipeline's scheduler unless told otherwise", async () => {
    const path = fixture("diffusers-pipeline");
    const own = await opened(path, (checkpoint) => importModel({ checkpoint }));
    expect(own.card).toMatchObject({
      prediction: "v_prediction",
      schedule: { kind: "squaredcos_cap_v2", timesteps: 1000 },
    });
    const told = await opened(path, (checkpoint) => importModel({ checkpoint, prediction: "epsilon" }));
    expect(told.card.prediction).toBe("epsilon");
  });
});
