/** The built program: the default prior made of its checkpoint, and an import that is interrupted while it writes. */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyModel } from "../../shared/onnx/verify-model.js";
import { packageRoot } from "../../shared/package-root.js";
import { presets } from "../../shared/unet/presets.js";
import { writeSyntheticCheckpoint } from "../synthetic-checkpoint.js";

const root = fileURLToPath(packageRoot);
const program = join(root, "dist/cli/main.js");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-model-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("the default prior", () => {
  const licence = "weights: CC0; made for this project";
  const inputs = ["models/prior.pt", "--arch", "models/prior.yaml", "--licence", licence];

  it("is what the documented command makes of its checkpoint, to the byte", async () => {
    const out = join(folder, "prior.onnx");
    await promisify(execFile)(process.execPath, [program, "model", "import", ...inputs, "--out", out], {
      cwd: root,
    });
    for (const name of ["prior.onnx", "prior.json"]) {
      const [made, committed] = [
        await readFile(join(folder, name)),
        await readFile(join(root, "models", name)),
      ];
      expect(made.equals(committed), `models/${name} is not up to date: make models`).toBe(true);
    }
    const shown = inputs.map((part) => (part === licence ? `"${licence}"` : part)).join(" ");
    for (const document of ["Makefile", "docs/models.md"]) {
      const text = await readFile(join(root, document), "utf8");
      expect(text.replace(/ *\\\n */g, " "), document).toContain(
        `model import ${shown} --out models/prior.onnx`,
      );
    }
  });

  it("gives what was recorded with PyTorch, to 1e-5", async () => {
    const recorded = join(root, "models/prior.io.safetensors");
    const { cases } = await verifyModel(join(root, "models/prior.onnx"), recorded, { threads: 2 });
    expect(cases.length).toBe(5);
    for (const { relative, largest } of cases) {
      expect(largest).toBeLessThan(1e-5);
      expect(relative).toBeLessThan(1e-5);
    }
  });
});

describe("an import of a large checkpoint", () => {
  let checkpoint: string;
  beforeAll(async () => {
    checkpoint = join(folder, "ffhq.pt");
    await writeSyntheticCheckpoint(checkpoint, presets["ffhq-10m"]);
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "that receives %s while it writes leaves nothing",
    async (signal) => {
      const out = join(folder, signal);
      const args = ["model", "import", checkpoint, "--arch", "ffhq-10m", "--out", join(out, "m.onnx")];
      const child = spawn(process.execPath, [program, ...args], { stdio: "ignore" });
      const exited = new Promise<number | null>((settle) => child.on("exit", settle));
      const started = async () => (await readdir(out).catch(() => [])).length > 0;
      let writing = false;
      while (!writing && child.exitCode === null) writing = await started();
      expect(writing).toBe(true);
      child.kill(signal);
      expect(await exited).toBe(130);
      expect((await readdir(folder)).includes(signal)).toBe(false);
    },
  );

  it.runIf(process.platform === "linux")("peaks below half the checkpoint's bytes and 300 MB", async () => {
    const out = join(folder, "large.onnx");
    // Not ru_maxrss: that one counts what the parent had when it forked.
    const tell = `import { readFileSync } from "node:fs";
      process.on("exit", () => console.error(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]));`;
    const hook = ["--import", `data:text/javascript,${encodeURIComponent(tell)}`];
    const args = ["model", "import", checkpoint, "--arch", "ffhq-10m", "--out", out];
    const { stderr } = await promisify(execFile)(process.execPath, [...hook, program, ...args]);
    const peak = Number(stderr) * 1024;
    expect(peak).toBeGreaterThan(50e6);
    expect(peak).toBeLessThan(0.5 * 4 * 93_563_910 + 300e6);
  });
});
