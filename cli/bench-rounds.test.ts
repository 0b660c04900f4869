import { EventEmitter } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../test/small-pictures.js";
import { main } from "./main.js";

async function run(args: readonly string[]) {
  const cwd = await temporaryFolder();
  const written = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) });
  const surroundings = {
    console: { stdout: stream("stdout"), stderr: stream("stderr") },
    cwd,
    signals: new EventEmitter(),
    exit: () => {},
  };
  const exitCode = await main(["bench", "rounds", ...args], surroundings);
  return { exitCode, cwd, ...written };
}

it("prints both tables, and writes runs and plots", async () => {
  const args = ["--tasks", "colorize", "--steps", "4", "--methods", "secant,paradigms", "--photos", "rocket"];
  const more = [
    "--size",
    "32",
    "--workers",
    "2",
    "--seeds",
    "0,1",
    "--json",
    "runs.json",
    "--svg",
    "plots.svg",
  ];
  const { exitCode, cwd, stdout, stderr } = await run([...args, ...more]);
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/^colorize T=4 rocket seed 0 secant: 50 dB after [1-4] rounds$/m);
  expect(stdout).toMatch(/^\| 4 +\| colorize \| secant /m);
  expect(stdout).toMatch(/^\| 4 +\| colorize \| paradigms /m);
  expect(stdout).toMatch(/^\| 4 +\| colorize \| 2 +\| [4-8]/m);
  const { runs, fewerSteps } = JSON.parse(await readFile(join(cwd, "runs.json"), "utf8"));
  expect(runs).toHaveLength(4);
  expect(fewerSteps).toHaveLength(2);
  for (const { psnr, evaluations, windows } of runs) {
    expect(psnr).toHaveLength(evaluations.length);
    expect(windows).toHaveLength(psnr.length - 1);
    // T rounds always suffice.
    expect(psnr.length).toBeLessThanOrEqual(5);
    expect(psnr.at(-1) ?? 200).toBeGreaterThan(60);
  }
  expect(await readFile(join(cwd, "plots.svg"), "utf8")).toContain("colorize, T = 4");
});

it("looks at no more rounds than it is told", async () => {
  const few = [
    "--tasks",
    "colorize",
    "--steps",
    "6",
    "--photos",
    "rocket",
    "--size",
    "32",
    "--max-rounds",
    "2",
  ];
  const { exitCode, stdout, stderr } = await run([...few, "--methods", "deqir", "--workers", "2"]);
  expect(exitCode).toBe(0);
  expect(stderr).toContain("colorize T=6 rocket seed 0 deqir: 50 dB not after 2 rounds");
  expect(stdout).toMatch(/deqir .*\| > 2 \(> 2\)/);
});

it.each([
  [["--methods", "newton"], /--methods newton: choose from/],
  [["--seeds", "-1"], /no seed/],
  [["--steps", "0"], /no whole number/],
])("refuses %j", async (args, message) => {
  const { exitCode, stderr } = await run(args);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(message);
});
