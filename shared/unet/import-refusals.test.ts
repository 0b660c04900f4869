import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { openCheckpoint } from "../checkpoint/open-checkpoint.js";
import { writeModel } from "../onnx/write-model.js";
import { packageRoot } from "../package-root.js";
import { importModel } from "./import-model.js";
import { presets } from "./presets.js";
import { readArchitecture } from "./read-architecture.js";

const fixture = (name: string): string =>
  fileURLToPath(new URL(`test/fixtures/checkpoints/${name}`, packageRoot));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-refusals-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs `use` with an open checkpoint. */
async function opened<T>(path: string, use: (checkpoint: Checkpoint) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

describe("importModel refuses", () => {
  const withTensors = (
    change: (
      tensors: Map<string, Checkpoint["tensors"] extends ReadonlyMap<string, infer T> ? T : never>,
    ) => void,
  ) =>
    opened(fixture("adm-tiny.pt"), async (checkpoint) => {
      const tensors = new Map(checkpoint.tensors);
      change(tensors);
      const { architecture } = await readArchitecture(fixture("adm-tiny.json"));
      return importModel({ checkpoint: { ...checkpoint, tensors }, architecture });
    });

  it("another architecture, naming tensor and both shapes", async () => {
    const wrong = opened(fixture("adm-tiny.pt"), async (checkpoint) => {
      const { architecture } = await readArchitecture(fixture("adm-tiny.json"));
      if (architecture.family !== "adm") throw new Error("the fixture is an ADM network");
      return importModel({ checkpoint, architecture: { ...architecture, channel_mult: [1, 3] } });
    });
    await expect(wrong).rejects.toThrow(
      /adm-tiny\.pt: tensor input_blocks\.3\.0\.in_layers\.2\.weight: the architecture needs \[96, 32, 3, 3\], the file has \[64, 32, 3, 3\]/,
    );
  });

  it("a preset of another family", async () => {
    const wrong = opened(fixture("adm-tiny.pt"), (checkpoint) =>
      importModel({ checkpoint, architecture: presets["celebahq-256"] }),
    );
    await expect(wrong).rejects.toThrow(
      /tensor temb\.dense\.0\.weight: the architecture needs \[512, 128\], the file has none/,
    );
  });

  it("a missing tensor", async () => {
    await expect(withTensors((tensors) => tensors.delete("middle_block.1.norm.bias"))).rejects.toThrow(
      /tensor middle_block\.1\.norm\.bias: the architecture needs \[64\], the file has none of that name/,
    );
  });

  it("labels", async () => {
    const label = {
      name: "label_emb.weight",
      dtype: "float32",
      shape: [10, 128],
      read: async () => new Float32Array(1280),
    } as const;
    await expect(withTensors((tensors) => tensors.set(label.name, label))).rejects.toThrow(
      /label_emb\.weight \[10, 128\]: .*class-conditional/,
    );
  });

  it("fixed sizes the levels do not divide", async () => {
    const odd = opened(fixture("ddpm-tiny.ckpt"), (checkpoint) =>
      importModel({ checkpoint, fixed: { height: 31, width: 32 } }),
    );
    await expect(odd).rejects.toThrow("--height 31: this network needs a positive multiple of 2");
    const half = opened(fixture("ddpm-tiny.ckpt"), (checkpoint) =>
      importModel({ checkpoint, fixed: { height: 32 } }),
    );
    await expect(half).rejects.toThrow("--height 32, --width missing: fix both or neither");
  });

  it("flags about heads for a family that has none open", async () => {
    const deaf = opened(fixture("ddpm-tiny.ckpt"), (checkpoint) =>
      importModel({ checkpoint, flags: { headChannels: 4 } }),
    );
    await expect(deaf).rejects.toThrow(/--head-channels 4: only guided-diffusion.*family ddpm/);
  });

  it("flags that an architecture already answers", async () => {
    const twice = opened(fixture("adm-tiny.pt"), (checkpoint) =>
      importModel({ checkpoint, architecture: presets["ffhq-10m"], flags: { heads: 2 } }),
    );
    await expect(twice).rejects.toThrow(/--heads 2: the architecture is given/);
  });

  it("without leaving a file where a tensor cannot be read", async () => {
    const place = await mkdtemp(join(folder, "broken-"));
    const { graph } = await opened(fixture("adm-tiny.pt"), (checkpoint) =>
      importModel({ checkpoint, flags: { heads: 1 } }),
    );
    // The checkpoint is closed by now.
    await expect(writeModel(graph, join(place, "model.onnx"))).rejects.toThrow();
    expect(await readdir(place)).toEqual([]);
  });

  it("but names tensors the network does not use", async () => {
    const extra = {
      name: "logvar",
      dtype: "float32",
      shape: [1000],
      read: async () => new Float32Array(1000),
    } as const;
    expect((await withTensors((tensors) => tensors.set(extra.name, extra))).unused).toEqual(["logvar"]);
  });
});
