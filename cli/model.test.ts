import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../shared/package-root.js";
import { runModel } from "../test/run-model.js";

describe("model inspect and verify", () => {
  const inPackage = (path: string): string => fileURLToPath(new URL(path, packageRoot));
  const prior = inPackage("models/prior.onnx");
  const io = inPackage("models/prior.io.safetensors");

  it("tells inputs, parameters, cost, schedule and hash", async () => {
    const { exitCode, stdout } = await runModel("/", ["inspect", prior, "--size", "64x128"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^inputs +x float32 \[N, 3, H, W\]\n +t float32 \[N\]$/m);
    expect(stdout).toMatch(/^parameters +4,162,563$/m);
    expect(stdout).toMatch(/^schedule +kind linear, timesteps 1000, beta_start 0.0001, beta_end 0.02$/m);
    expect(stdout).toMatch(/^multiply-adds +\d\.\d+ G for x \[1, 3, 64, 128\]/m);
    expect(stdout).toMatch(/^sha256 +[0-9a-f]{64}$/m);
    const json = JSON.parse((await runModel("/", ["inspect", prior, "--batch", "2", "--json"])).stdout);
    // Without a size: the one it was trained at.
    expect(json.cost.shapes).toEqual({ x: [2, 3, 64, 64], t: [2], eps: [2, 3, 64, 64] });
  });

  it("asks for the size where nothing tells one, and refuses sizes the network does not take", async () => {
    const foreign = inPackage("test/fixtures/prior-pytorch.onnx");
    expect((await runModel("/", ["inspect", foreign])).stdout).toContain("ask with --size");
    const odd = await runModel("/", ["inspect", prior, "--size", "100"]);
    expect(odd).toMatchObject({ exitCode: 2, stdout: "" });
    expect(odd.stderr).toMatch(/--size 100x100: this network takes multiples of 8/);
    expect((await runModel("/", ["inspect", prior, "--size", "8x"])).exitCode).toBe(2);
    expect((await runModel("/", ["inspect", io])).stderr).toMatch(/is no ONNX model/);
  });

  it("compares with recordings, and fails where they differ", async () => {
    const agrees = await runModel("/", ["verify", prior, "--against", io, "--threads", "1"]);
    expect(agrees.exitCode).toBe(0);
    expect(agrees.stdout).toMatch(/^3x64x96: \[3, 3, 64, 96\], 3 a call: relative error \d/m);
    const strict = ["verify", prior, "--against", io, "--threads", "1", "--tolerance", "1e-12"];
    const differs = await runModel("/", strict);
    expect(differs.exitCode).toBe(1);
    expect(differs.stdout).toMatch(/out of tolerance\n.* differs in 5 of 5 cases, tolerance 1e-12\n$/s);
    const json = await runModel("/", [...strict, "--json"]);
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ passed: false, tolerance: 1e-12 });
    expect((await runModel("/", ["verify", prior, "--against", prior])).exitCode).toBe(2);
    expect((await runModel("/", ["verify", prior, "--against", io, "--tolerance", "0"])).exitCode).toBe(2);
  });
});

describe("model", () => {
  it("documents every flag", async () => {
    const documented = await readFile(new URL("../docs/cli.md", import.meta.url), "utf8");
    for (const command of ["import", "inspect", "verify"]) {
      const { stdout } = await runModel("/", [command, "--help"]);
      const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)].map((match) => match[1]!);
      expect(flags.length).toBeGreaterThan(3);
      expect(flags.filter((flag) => !documented.includes(`\`${flag}`))).toEqual([]);
    }
  });

  it("prints help as an error when nothing is asked of it", async () => {
    const { exitCode, stderr } = await runModel("/", []);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("Usage: deqfleet model");
  });
});
