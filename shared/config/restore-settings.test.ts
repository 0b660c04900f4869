import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../test/small-pictures.js";
import { InputError } from "../errors.js";
import { readConfigFile } from "./config-file.js";
import { flagOf } from "./options.js";
import { checkOptions, type RestoreOptions, resolveRestoreSettings } from "./restore-settings.js";

const surroundings = { cwd: "/home/user", defaultModel: "/package/prior.onnx" };

const resolve = (flags: RestoreOptions, file: RestoreOptions = {}) =>
  resolveRestoreSettings(["photos"], { out: "out", task: "colorize", ...flags }, file, surroundings);

const yaml = async (text: string): Promise<string> => {
  const path = join(await temporaryFolder(), "run.yaml");
  await writeFile(path, text);
  return path;
};

describe("resolveRestoreSettings", () => {
  it("fills in the documented defaults", () => {
    expect(resolve({})).toEqual({
      inputs: ["photos"],
      out: "/home/user/out",
      task: { task: "colorize" },
      mask: null,
      simulate: false,
      steps: 25,
      start: 1000,
      spacing: "uniform",
      etw: 0,
      nw: 0,
      seed: 0,
      method: "secant",
      tol: 0.1,
      maxRounds: null,
      window: null,
      plan: "auto",
      goal: "throughput",
      workers: null,
      threads: null,
      devices: ["cpu"],
      batch: null,
      listen: "127.0.0.1:0",
      model: "/package/prior.onnx",
      report: "/home/user/out/report.json",
      contactSheet: false,
      maxPixels: 16_777_216,
    });
  });

  it("lets flags win over the file, and the file over defaults", () => {
    const settings = resolve({ steps: 7, simulate: false }, { steps: 50, seed: 3, simulate: true });
    expect(settings).toMatchObject({ steps: 7, seed: 3, simulate: false });
  });

  it("puts task parameters into the task", () => {
    expect(resolve({ task: "sr-bicubic", scale: 2 }).task).toEqual({ task: "sr-bicubic", scale: 2 });
    expect(resolve({ task: "cs-hadamard", ratio: 0.25 }).task).toEqual({
      task: "cs-hadamard",
      ratio: 0.25,
      permutationSeed: 0,
    });
    expect(resolve({ task: "inpaint", mask: "m.png" }).mask).toBe("/home/user/m.png");
  });

  it.each<[RestoreOptions, RegExp]>([
    [{ task: "inpaint" }, /needs --mask/],
    [{ task: "colorize", mask: "m.png" }, /--mask does not apply to --task colorize/],
    [{ task: "inpaint", mask: "m.png", scale: 2 }, /--scale does not apply to --task inpaint/],
    [{ task: "sr-average", blurForm: "deqir" }, /--blur-form does not apply/],
    [{ steps: 500, start: 100 }, /--steps 500/],
  ])("refuses %j", (flags, message) => {
    expect(() => resolve(flags)).toThrow(InputError);
    expect(() => resolve(flags)).toThrow(message);
  });

  it("asks for what cannot be guessed", () => {
    expect(() => resolveRestoreSettings(["a"], { task: "colorize" }, {}, surroundings)).toThrow(/--out/);
    expect(() => resolveRestoreSettings(["a"], { out: "o" }, {}, surroundings)).toThrow(/--task.*sr-average/);
    expect(() => resolveRestoreSettings([], { out: "o", task: "colorize" }, {}, surroundings)).toThrow(
      /input/,
    );
  });
});

describe("checkOptions", () => {
  it.each<[Record<string, unknown>, string]>([
    [{ steps: 0 }, "--steps 0"],
    [{ maxRounds: 1.5 }, "--max-rounds 1.5"],
    [{ window: 0 }, "--window 0"],
    [{ etw: 2 }, "--etw 2"],
    [{ tol: 0 }, "--tol 0"],
    [{ seed: 2 ** 60 }, "--seed 115292150460684"],
    [{ task: "denoise" }, '--task "denoise"'],
    [{ plan: "fast" }, '--plan "fast"'],
  ])("names the flag and the value of %j", (options, start) => {
    expect(() => checkOptions(options, flagOf)).toThrow(InputError);
    expect(() => checkOptions(options, flagOf)).toThrow(start);
  });
});

describe("readConfigFile", () => {
  it("takes names in camelCase and kebab-case, and paths from its own folder", async () => {
    const path = await yaml("task: inpaint\nmask: known.png\nmax-rounds: 4\nblurForm: exact\nout: ../o\n");
    expect(await readConfigFile(path)).toEqual({
      task: "inpaint",
      mask: join(path, "../known.png"),
      maxRounds: 4,
      blurForm: "exact",
      out: join(path, "../../o"),
    });
  });

  it("takes an empty file", async () => {
    expect(await readConfigFile(await yaml("# nothing yet\n"))).toEqual({});
  });

  it.each([
    ["stepz: 3\n", /"stepz" is no option/],
    ["steps: many\n", /"steps" "many"/],
    ["max-rounds: 3\nmaxRounds: 4\n", /given twice/],
    ["steps: 3\nsteps: 4\n", /no valid YAML.*unique/],
    ["- steps\n", /mapping/],
    ["steps: [1\n", /no valid YAML/],
  ])("refuses %j by name", async (text, message) => {
    const path = await yaml(text);
    await expect(readConfigFile(path)).rejects.toThrow(InputError);
    await expect(readConfigFile(path)).rejects.toThrow(message);
    await expect(readConfigFile(path)).rejects.toThrow(path);
  });

  it("names a file that is missing", async () => {
    await expect(readConfigFile("/nowhere/run.yaml")).rejects.toThrow(/nowhere\/run.yaml cannot be read/);
  });
});
