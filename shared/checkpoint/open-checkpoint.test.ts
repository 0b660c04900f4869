import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { code, dict, orderedDict, text } from "../../test/pickle-code.js";
import { writeSafetensors } from "../../test/safetensors-files.js";
import { type TorchTensor, writeTorchLegacy, writeTorchZip } from "../../test/torch-files.js";
import { InputError } from "../errors.js";
import type { Checkpoint } from "./checkpoint.js";
import { type OpenCheckpointOptions, openCheckpoint } from "./open-checkpoint.js";

const repository = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const using = async <T>(
  path: string,
  use: (checkpoint: Checkpoint) => Promise<T>,
  options?: OpenCheckpointOptions,
): Promise<T> => {
  const checkpoint = await openCheckpoint(path, options);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
};

const floats = (...values: readonly number[]) => ({
  dtype: "F32",
  shape: [values.length],
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

const count = (name: string, shape: readonly number[]): TorchTensor => ({
  name,
  dtype: "float32",
  shape,
  fill: (chunk, offset) => {
    for (let i = 0; i < chunk.length; i++) chunk[i] = offset + i;
  },
});

describe("openCheckpoint", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "open-checkpoint-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  // Counts, sums of magnitudes and single values: torch.load of the same files, in float64.
  it.each([
    [
      "test/fixtures/checkpoints/adm-tiny.pt",
      "torch-zip",
      144,
      828358,
      48250.71461068018,
      "output_blocks.1.0.out_layers.3.weight",
      [64, 64, 3, 3],
      0.0174421276897192,
    ],
    [
      "test/fixtures/checkpoints/adm-tiny-legacy.pt",
      "torch-legacy",
      128,
      702499,
      39415.05006437484,
      "output_blocks.1.0.emb_layers.1.weight",
      [64, 128],
      0.06756962090730667,
    ],
    [
      "test/fixtures/checkpoints/ddpm-tiny.ckpt",
      "torch-zip",
      144,
      702499,
      39343.33688463048,
      "up.1.block.0.conv1.weight",
      [64, 128, 3, 3],
      0.037555497139692307,
    ],
    [
      "models/prior.pt",
      "torch-zip",
      238,
      4162563,
      82033.10970547845,
      "out.2.bias",
      [3],
      -0.003949117846786976,
    ],
  ])(
    "reads what PyTorch wrote: %s",
    async (path, format, tensors, parameters, magnitude, name, shape, last) => {
      await using(repository(path), async (checkpoint) => {
        expect(checkpoint).toMatchObject({ source: repository(path), format, unwrapped: [] });
        expect(checkpoint.tensors.size).toBe(tensors);
        const one = checkpoint.tensors.get(name)!;
        expect(one).toMatchObject({ name, shape, dtype: "float32" });
        expect((await one.read()).at(-1)).toBe(last);
        let elements = 0;
        let sum = 0;
        for (const tensor of checkpoint.tensors.values()) {
          const values = await tensor.read();
          elements += values.length;
          for (const value of values) sum += Math.abs(value);
        }
        expect(elements).toBe(parameters);
        expect(sum).toBeCloseTo(magnitude, 6);
        expect(await checkpoint.sha256()).toBe(
          createHash("sha256")
            .update(await readFile(repository(path)))
            .digest("hex"),
        );
      });
    },
  );

  it("goes by content: each container under another's name", async () => {
    const cases = [
      ["adm-tiny.pt", "zip.safetensors", "torch-zip"],
      ["adm-tiny-legacy.pt", "legacy.json", "torch-legacy"],
      ["adm-tiny.io.safetensors", "tensors.pt", "safetensors"],
    ] as const;
    for (const [from, to, format] of cases) {
      await copyFile(repository(`test/fixtures/checkpoints/${from}`), join(folder, to));
      expect(await using(join(folder, to), async (checkpoint) => checkpoint.format)).toBe(format);
    }
  });

  it("is not misled by a safetensors length that looks like a pickle", async () => {
    // 0x280 little-endian is the opcode PROTO with protocol 2.
    const path = join(folder, "pickle-like");
    const header = JSON.stringify({ w: { dtype: "U8", shape: [1], data_offsets: [0, 1] } }).padEnd(0x280);
    const length = Buffer.from([0x80, 2, 0, 0, 0, 0, 0, 0]);
    await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.of(9)]));
    await using(path, async (checkpoint) => {
      expect([...(await checkpoint.tensors.get("w")!.read())]).toEqual([9]);
    });
  });

  it("opens a folder with shards, and hashes them in the order of the index", async () => {
    const path = join(folder, "sharded");
    await mkdir(path);
    const shard = (n: number) => `diffusion_pytorch_model-0000${n}-of-00002.safetensors`;
    await writeSafetensors(join(path, shard(1)), { "module.a": floats(1) });
    await writeSafetensors(join(path, shard(2)), { "module.b": floats(2, 3) });
    const map = { "module.b": shard(2), "module.a": shard(1) };
    const index = join(path, "diffusion_pytorch_model.safetensors.index.json");
    await writeFile(index, JSON.stringify({ weight_map: map }));
    const hash = createHash("sha256");
    for (const n of [2, 1]) hash.update(await readFile(join(path, shard(n))));
    const expected = hash.digest("hex");
    for (const named of [path, index]) {
      await using(named, async (checkpoint) => {
        expect(checkpoint).toMatchObject({ source: named, format: "safetensors", unwrapped: ["module."] });
        expect(checkpoint.tensors.get("b")).toMatchObject({ name: "b", shape: [2] });
        expect([...(await checkpoint.tensors.get("b")!.read())]).toEqual([2, 3]);
        expect(await checkpoint.sha256()).toBe(expected);
      });
    }
  });

  it("chooses between trained and averaged weights", async () => {
    const path = join(folder, "ema.pt");
    await writeTorchZip(path, [count("module.a", [2, 3])], {
      wrap: (state) =>
        dict([
          ["model", state],
          ["ema", orderedDict([])],
          ["model_ema", state],
        ]),
    });
    expect(await using(path, async ({ unwrapped }) => unwrapped)).toEqual(["model_ema", "module."]);
    const plain = await using(path, async ({ unwrapped }) => unwrapped, { weights: "model" });
    expect(plain).toEqual(["model", "module."]);
    const flat = join(folder, "lit.safetensors");
    await writeSafetensors(flat, { "model.a.b": floats(1), "model_ema.ab": floats(2) });
    const values = async (options: OpenCheckpointOptions) =>
      await using(flat, async ({ tensors }) => [...(await tensors.get("a.b")!.read())], options);
    expect(await values({})).toEqual([2]);
    expect(await values({ weights: "ema" })).toEqual([2]);
    expect(await values({ weights: "model" })).toEqual([1]);
    const unmarked = repository("test/fixtures/checkpoints/adm-tiny.pt");
    await expect(openCheckpoint(unmarked, { weights: "ema" })).rejects.toThrow(
      /adm-tiny\.pt: holds no averaged weights/,
    );
  });

  it("names the file and the remedy for what is no checkpoint", async () => {
    const cases: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
      ["empty", "", /empty: is empty/],
      [
        "pointer",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        /pointer: is a Git LFS pointer.*git lfs pull/,
      ],
      ["page", "<!DOCTYPE html><html>", /page: is a web page in place of the checkpoint/],
      ["text", "a few words", /text: is no PyTorch checkpoint.*"a few words"/],
      ["json", '{"a": 1}', /json: is JSON without a weight_map/],
      ["pickle", code(0x80, 2, text("x"), "."), /pickle: is a pickle, but not one of torch\.save/],
      ["none", "\x02\0\0\0\0\0\0\0{}", /none: holds no tensors/],
    ];
    for (const [name, content, message] of cases) {
      await writeFile(join(folder, name), content);
      await expect(openCheckpoint(join(folder, name))).rejects.toThrow(message);
      await expect(openCheckpoint(join(folder, name))).rejects.toThrow(InputError);
    }
    await expect(openCheckpoint(join(folder, "missing.pt"))).rejects.toThrow(/missing\.pt: cannot be opened/);
  });

  it.each(["zip", "legacy", "safetensors"])(
    "meets every damage to a %s file with an InputError",
    async (container) => {
      const path = join(folder, `damaged-${container}`);
      const tensors = [count("a.weight", [3, 4]), count("b.bias", [5])];
      if (container === "zip") await writeTorchZip(path, tensors);
      else if (container === "legacy") await writeTorchLegacy(path, tensors);
      else await writeSafetensors(path, { a: floats(1, 2), b: floats(3) });
      const whole = await readFile(path);
      const readAll = async () =>
        await using(path, async (checkpoint) => {
          for (const tensor of checkpoint.tensors.values()) await tensor.read();
        });
      await readAll();
      const damage = fc.array(fc.tuple(fc.nat(whole.byteLength - 1), fc.nat(255)), {
        minLength: 1,
        maxLength: 4,
      });
      const length = fc.integer({ min: 0, max: whole.byteLength });
      await fc.assert(
        fc.asyncProperty(damage, fc.option(length), async (changes, cut) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          await writeFile(path, bytes.subarray(0, cut ?? bytes.byteLength));
          // Damage to values goes unnoticed; all other damage is an InputError, never a crash.
          await readAll().catch((thrown: unknown) => {
            if (!(thrown instanceof InputError)) throw thrown;
          });
        }),
        { numRuns: 1000 },
      );
    },
  );
});
