import { EventEmitter } from "node:events";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../shared/package-root.js";
import type { AdmArchitecture } from "../shared/unet/architecture.js";
import { code, pickle, text } from "../test/pickle-code.js";
import { runModel } from "../test/run-model.js";
import { temporaryFolder } from "../test/small-pictures.js";
import { syntheticTensors } from "../test/synthetic-checkpoint.js";
import { type TorchTensor, writeTorchZip } from "../test/torch-files.js";
import { ZipWriter } from "../test/zip-writer.js";

const fixture = (name: string): string =>
  fileURLToPath(new URL(`test/fixtures/checkpoints/${name}`, packageRoot));

const tiny = fixture("adm-tiny.pt");
const tinyFlags = ["--head-channels", "32", "--attention-order", "legacy"];

const smallAdm: AdmArchitecture = {
  family: "adm",
  model_channels: 32,
  channel_mult: [1, 2],
  num_res_blocks: 1,
  attention_levels: [1],
  num_heads: 2,
  use_scale_shift_norm: true,
  resblock_updown: false,
  conv_resample: true,
  learn_sigma: true,
  use_new_attention_order: false,
};
const smallFlags = ["--heads", "2", "--attention-order", "legacy"];

/** Writes the tensors of a small network, after a change. */
async function writeSmall(path: string, change: (tensors: TorchTensor[]) => TorchTensor[]): Promise<void> {
  await writeTorchZip(path, change(syntheticTensors(smallAdm)));
}

describe("model import", () => {
  it("writes a model with a card, tells what it did, and never writes over it unasked", async () => {
    const cwd = await temporaryFolder();
    const args = ["import", tiny, ...tinyFlags, "--licence", "CC0", "--out", "new/tiny.onnx"];
    const { exitCode, stdout, stderr } = await runModel(cwd, args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect((await readdir(join(cwd, "new"))).sort()).toEqual(["tiny.json", "tiny.onnx"]);
    const card = JSON.parse(await readFile(join(cwd, "new/tiny.json"), "utf8"));
    expect(card).toMatchObject({ family: "adm", sizeMultiple: 2, prediction: "epsilon", licence: "CC0" });
    expect(card.files).toEqual([{ name: "tiny.onnx", bytes: expect.any(Number), sha256: card.sha256 }]);
    expect(stdout).toMatch(/^parameters +828,358 in 144 tensors\nunused tensors +none$/m);
    expect(stdout).toContain(card.sha256);
    expect(stdout).not.toContain("undefined");

    const before = await readFile(join(cwd, "new/tiny.onnx"));
    const again = await runModel(cwd, [...args, "--fp16"]);
    expect(again).toMatchObject({ exitCode: 2, stdout: "" });
    expect(again.stderr).toMatch(/tiny\.onnx is there already; overwrite it with --force/);
    expect((await readFile(join(cwd, "new/tiny.onnx"))).equals(before)).toBe(true);
    expect((await runModel(cwd, [...args, "--fp16", "--force"])).exitCode).toBe(0);
    expect(JSON.parse(await readFile(join(cwd, "new/tiny.json"), "utf8")).precision).toBe("float16");
    expect((await readFile(join(cwd, "new/tiny.onnx"))).length).toBeLessThan(0.75 * before.length);
  });

  it("prints one JSON object, names unused tensors, and keeps weights outside on request", async () => {
    const cwd = await temporaryFolder();
    const spare = { name: "ema_decay", dtype: "float32", shape: [2] } as const;
    await writeSmall(join(cwd, "in.pt"), (tensors) => [...tensors, { ...spare, fill: (c) => c.fill(1) }]);
    const args = ["import", "in.pt", ...smallFlags, "--out", "m.onnx", "--external-data", "--json"];
    const { exitCode, stdout, stderr } = await runModel(cwd, args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const printed = JSON.parse(stdout);
    expect(printed).toMatchObject({ family: "adm", unused: ["ema_decay"], card: join(cwd, "m.json") });
    expect(printed.files.map(({ path }: { path: string }) => path)).toEqual([
      join(cwd, "m.onnx"),
      join(cwd, "m.onnx.data"),
    ]);
    expect((await runModel(cwd, ["import", "in.pt", ...smallFlags, "--out", "m.onnx"])).exitCode).toBe(2);
    // A model that replaces it without weights outside leaves none behind.
    await runModel(cwd, ["import", "in.pt", ...smallFlags, "--out", "m.onnx", "--force"]);
    expect((await readdir(cwd)).sort()).toEqual(["in.pt", "m.json", "m.onnx"]);
  });

  it("takes prediction, schedule, sizes and operator set from flags", async () => {
    const cwd = await temporaryFolder();
    const schedule = ["--beta-schedule", "scaled_linear", "--beta-end", "0.012", "--timesteps", "500"];
    const fixed = ["--batch", "1", "--height", "32", "--width", "64", "--opset", "18", "--image-size", "96"];
    const flags = ["--prediction", "sample", ...schedule, ...fixed];
    await runModel(cwd, ["import", tiny, ...tinyFlags, ...flags, "--out", "m.onnx"]);
    const { stdout } = await runModel(cwd, ["inspect", "m.onnx", "--json"]);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ opset: 18, metadata: { prediction: "sample" } });
    expect(found.inputs[0].dims).toEqual([1, 3, 32, 64]);
    expect(found.metadata.schedule).toEqual({
      kind: "scaled_linear",
      timesteps: 500,
      beta_start: 1e-4,
      beta_end: 0.012,
    });
    expect(found.metadata.architecture.image_size).toBe(96);
    expect(found.cost.shapes.x).toEqual([1, 3, 32, 64]);
  });

  it("reads a pipeline folder with its configuration", async () => {
    const cwd = await temporaryFolder();
    await cp(fixture("diffusers-pipeline"), join(cwd, "pipeline"), { recursive: true });
    const { exitCode, stdout, stderr } = await runModel(cwd, ["import", "pipeline", "--out", "m.onnx"]);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^deqfleet: warning: .*another noise schedule \(kind squaredcos_cap_v2[^\n]*\n$/);
    expect(stdout).toMatch(/^prediction +v_prediction, converted to epsilon in the graph$/m);
    const against = ["--against", "pipeline/io.safetensors"];
    expect((await runModel(cwd, ["verify", "m.onnx", ...against])).exitCode).toBe(0);
  });

  it("shows progress on a terminal, and takes it away", async () => {
    const cwd = await temporaryFolder();
    const args = ["import", tiny, ...tinyFlags, "--out", "tiny.onnx"];
    const { stderr } = await runModel(cwd, args, { isTTY: true, columns: 40 });
    const lines = stderr.split("\r\u001b[2K");
    expect(lines.length).toBeGreaterThan(2);
    expect(lines[1]).toMatch(/^reading .*/);
    expect(Math.max(...lines.map((line) => line.length))).toBe(39);
    expect(lines.at(-1)).toBe("");
  });

  it("leaves nothing when interrupted, and the earlier model when there was one", async () => {
    const cwd = await temporaryFolder();
    const args = ["import", tiny, ...tinyFlags, "--out", "out/tiny.onnx"];
    const interrupted = (more: readonly string[] = []) => {
      const signals = new EventEmitter();
      // The first line of progress is drawn when the import has begun.
      const watch = (text: string) => text.includes("reading") && signals.emit("SIGINT");
      return runModel(cwd, [...args, ...more], { isTTY: true, signals, watch });
    };
    const stopped = await interrupted();
    expect(stopped).toMatchObject({ exitCode: 130, stdout: "" });
    expect(stopped.stderr).toContain("deqfleet: stopping");
    expect(await readdir(cwd)).toEqual([]);
    await runModel(cwd, args);
    const [model, card] = [
      await readFile(join(cwd, "out/tiny.onnx")),
      await readFile(join(cwd, "out/tiny.json")),
    ];
    expect((await interrupted(["--fp16", "--force"])).exitCode).toBe(130);
    expect((await readdir(join(cwd, "out"))).sort()).toEqual(["tiny.json", "tiny.onnx"]);
    expect((await readFile(join(cwd, "out/tiny.onnx"))).equals(model)).toBe(true);
    expect((await readFile(join(cwd, "out/tiny.json"))).equals(card)).toBe(true);
  });
});

describe("model import refuses, and leaves nothing behind,", () => {
  const out = "out/m.onnx";

  it.each<[string, (path: string) => Promise<void>, RegExp]>([
    [
      "a missing tensor",
      (path) => writeSmall(path, (all) => all.filter(({ name }) => name !== "middle_block.1.qkv.bias")),
      /tensor middle_block\.1\.qkv\.bias: the architecture needs \[192\], the file has none of that name/,
    ],
    [
      "a tensor of another shape",
      (path) =>
        writeSmall(path, (all) =>
          all.map((one) => (one.name === "out.0.weight" ? { ...one, shape: [33] } : one)),
        ),
      /tensor out\.0\.weight: the architecture needs \[32\], the file has \[33\]/,
    ],
    [
      "a truncated file",
      async (path) => {
        const whole = await readFile(tiny);
        await writeFile(path, whole.subarray(0, 1_000_000));
      },
      /in\.pt: .*truncated/,
    ],
    [
      "a pickle that would call something",
      async (path) => {
        const zip = await ZipWriter.create(path);
        await zip.add("archive/data.pkl", [pickle(code("cos\nsystem\n(", text("true"), "tR"))]);
        await zip.finish();
      },
      /in\.pt: .*os\.system/,
    ],
    ["a web page", (path) => writeFile(path, "<!DOCTYPE html><html>404</html>"), /is a web page/],
    ["an empty file", (path) => writeFile(path, ""), /in\.pt: is empty/],
    [
      "an empty folder",
      async (path) => {
        await mkdir(path);
      },
      /in\.pt: holds no \.safetensors file/,
    ],
    ["no file at all", () => Promise.resolve(), /in\.pt: cannot be opened/],
  ])("%s", async (_, write, message) => {
    const cwd = await temporaryFolder();
    await write(join(cwd, "in.pt"));
    const before = await readdir(cwd);
    const { exitCode, stdout, stderr } = await runModel(cwd, [
      "import",
      "in.pt",
      ...smallFlags,
      "--out",
      out,
    ]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toMatch(/^deqfleet: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect(await readdir(cwd)).toEqual(before);
  });

  it("an element type that is none, naming the tensor", async () => {
    const cwd = await temporaryFolder();
    const header = JSON.stringify({
      "input_blocks.0.0.weight": { dtype: "F4", shape: [2], data_offsets: [0, 1] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(join(cwd, "in.safetensors"), Buffer.concat([length, Buffer.from(header), Buffer.of(0)]));
    const { exitCode, stderr } = await runModel(cwd, ["import", "in.safetensors", "--out", out]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/input_blocks\.0\.0\.weight.*F4/);
    expect(await readdir(cwd)).toEqual(["in.safetensors"]);
  });

  it.each<[readonly string[], RegExp]>([
    [
      ["--arch", "adm-256-uncond"],
      /time_embed\.0\.weight: the architecture needs \[1024, 256\], the file has \[128, 32\]/,
    ],
    [["--arch", "celebahq-256"], /temb\.dense\.0\.weight: .*the file has none/],
    [["--arch", "adm-512"], /no preset of that name \(adm-256-uncond, celebahq-256, ffhq-10m\)/],
    [[], /--heads or --head-channels.*--attention-order/],
    [[...tinyFlags, "--beta-start", "2"], /--beta-start 2: betas lie between 0 and 1/],
    [
      [...tinyFlags, "--beta-schedule", "squaredcos_cap_v2", "--beta-end", "0.1"],
      /--beta-end 0.1: .*no such end/,
    ],
    [[...tinyFlags, "--height", "32"], /fix both or neither/],
    [[...tinyFlags, "--heads", "0"], /--heads.*1 or more/],
    [[...tinyFlags, "--prediction", "noise"], /Allowed choices are epsilon, v_prediction, sample/],
    [[...tinyFlags, "--out", "model"], /--out model: give a name that ends in \.onnx/],
    [[...tinyFlags, "--weights", "ema"], /holds no averaged weights/],
  ])("%j", async (flags, message) => {
    const cwd = await temporaryFolder();
    const { exitCode, stdout, stderr } = await runModel(cwd, ["import", tiny, "--out", out, ...flags]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(await readdir(cwd)).toEqual([]);
  });

  it("to write its card over the architecture file it reads, even by force", async () => {
    const cwd = await temporaryFolder();
    await cp(fixture("adm-tiny.json"), join(cwd, "tiny.json"));
    const args = ["import", tiny, "--arch", "tiny.json", "--out", "tiny.onnx", "--force"];
    const { exitCode, stderr } = await runModel(cwd, args);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/tiny\.json would be written over, but is read/);
    expect(await readdir(cwd)).toEqual(["tiny.json"]);
  });

  it("to leave a model without its card", async () => {
    const cwd = await temporaryFolder();
    await mkdir(join(cwd, "tiny.json"));
    const args = ["import", tiny, ...tinyFlags, "--out", "tiny.onnx", "--force"];
    expect((await runModel(cwd, args)).exitCode).toBe(3);
    expect(await readdir(cwd)).toEqual(["tiny.json"]);
  });
});
