import { EventEmitter } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FatalError } from "../shared/errors.js";
import { version } from "../shared/version.js";
import { inProcessFleet } from "../test/in-process-fleet.js";
import { smallPicture, temporaryFolder } from "../test/small-pictures.js";
import { main } from "./main.js";
import type { CommandSurroundings } from "./restore.js";

/** Runs the program over an in-process fleet and collects what it writes. */
async function run(args: readonly string[], given: Partial<CommandSurroundings> = {}, debug = false) {
  const written = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) });
  const surroundings: CommandSurroundings = {
    console: { stdout: stream("stdout"), stderr: stream("stderr") },
    cwd: process.cwd(),
    signals: new EventEmitter(),
    exit: () => {},
    startFleet: ({ workers }) => inProcessFleet(workers),
    ...given,
  };
  const exitCode = await main(args, surroundings, debug);
  return { exitCode, ...written };
}

/** A folder `in` with one good picture. */
async function dataset(): Promise<string> {
  const cwd = await temporaryFolder();
  await mkdir(join(cwd, "in"));
  await smallPicture(join(cwd, "in/a.png"), { width: 32, height: 32 });
  return cwd;
}

const quick = ["--task", "sr-average", "--steps", "3", "--workers", "1"];

describe("usage", () => {
  it("prints help and the version, and succeeds", async () => {
    expect(await run(["--version"])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
    const help = await run(["restore", "--help"]);
    expect(help.exitCode).toBe(0);
    expect(help.stdout).toContain("--max-rounds <n>");
  });

  it.each([
    [["paint"], /unknown command 'paint'/],
    [["restore"], /missing required argument/],
    [["restore", "a.png", "--stepz", "3"], /unknown option '--stepz'/],
    [["restore", "a.png", "--out", "o", "--task", "denoise"], /denoise.*sr-average/],
    [["restore", "a.png", "--out", "o", "--task", "colorize", "--steps", "many"], /--steps.*many/],
    [["restore", "a.png", "--out", "o", "--task", "colorize", "--steps", "0"], /--steps 0/],
    [["restore", "a.png", "--out", "o"], /--task/],
    [["restore", "nothing-here.png", "--out", "o", "--task", "colorize"], /nothing-here.png does not exist/],
    [["restore", "a.png", "--config", "missing.yaml"], /missing.yaml cannot be read/],
  ])("refuses %j with one line", async (args, message) => {
    const { exitCode, stdout, stderr } = await run(args, { cwd: await temporaryFolder() });
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^deqfleet: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });

  it("prints help as an error when nothing is asked of it", async () => {
    const { exitCode, stderr } = await run([]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("Usage: deqfleet");
  });

  it("documents every flag and exit code", async () => {
    const text = await readFile(new URL("../docs/cli.md", import.meta.url), "utf8");
    const { stdout } = await run(["restore", "--help"]);
    const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]!);
    expect(flags.length).toBeGreaterThan(25);
    expect(flags.filter((flag) => !text.includes(`\`${flag}`))).toEqual([]);
    for (const code of [0, 1, 2, 3, 130]) expect(text).toMatch(new RegExp(`^\\| ${code} +\\|`, "m"));
  });
});

describe("plan", () => {
  it("shows what restore would choose, and writes nothing", async () => {
    const cwd = await dataset();
    const args = ["plan", "in", ...quick];
    const { exitCode, stdout, stderr } = await run(args, { cwd });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/^1 picture of \d+x\d+, 1 worker of \d+ threads?; costs unknown/);
    expect(stdout).toMatch(/^\* {2}serial +1 +1 +3 +3 +3$/m);
    expect(await readdir(cwd)).toEqual(["in"]);
    const json = JSON.parse((await run([...args, "--goal", "latency", "--json"], { cwd })).stdout);
    expect(json).toMatchObject({ pictures: 1, goal: "latency", chosen: "serial", costs: "unknown" });
    expect(json.options.filter(({ chosen }: { chosen: boolean }) => chosen)).toHaveLength(1);
  });
});

describe("restore", () => {
  it("takes options from a file, prints progress and writes the report", async () => {
    const cwd = await dataset();
    await writeFile(join(cwd, "run.yaml"), "task: sr-average\nsteps: 50\nsimulate: true\nworkers: 1\n");
    const args = ["restore", "in", "--out", "out", "--config", "run.yaml", "--steps", "3"];
    const { exitCode, stdout, stderr } = await run(args, { cwd });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(
      /^1 picture, 1 worker\nplan: serial is best for throughput: .*\n\[1\/1\] a.png: 3 steps, .* dB\nfinished in /,
    );
    const report = JSON.parse(await readFile(join(cwd, "out/report.json"), "utf8"));
    expect(report.run.settings).toMatchObject({ steps: 3, simulate: true, workers: 1 });
    const again = await run(args, { cwd });
    expect(again.stdout).toMatch(/^1 picture, 1 restored before\nevery picture is already restored\n/);
  });

  it("prints JSON lines, and errors on stderr all the same", async () => {
    const cwd = await dataset();
    await writeFile(join(cwd, "in/broken.png"), "no picture");
    const args = ["restore", "in", "--out", "out", ...quick, "--plan", "time-parallel", "--json"];
    const { exitCode, stdout, stderr } = await run(args, { cwd });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^deqfleet: .*broken.png[^\n]*\n$/);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const names = events.map(({ event }) => event);
    // The second picture is read while the first one is solved.
    expect(names.filter((name) => name !== "round" && name !== "picture-failed")).toEqual([
      "run-started",
      "picture-started",
      "picture-done",
      "run-finished",
    ]);
    expect(names).toContain("round");
    expect(names).toContain("picture-failed");
    expect(events.at(-1)).toMatchObject({
      counts: { done: 1, failed: 1 },
      report: join(cwd, "out/report.json"),
    });
  });

  it("prints nothing but errors when quiet", async () => {
    const cwd = await dataset();
    const args = ["restore", "in", "--out", "out", ...quick, "--quiet"];
    expect(await run(args, { cwd })).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  it("says how to end sooner when interrupted, and exits as shells expect", async () => {
    const cwd = await dataset();
    const signals = new EventEmitter();
    const exits: number[] = [];
    const interrupted = await run(["restore", "in", "--out", "out", ...quick], {
      cwd,
      signals,
      exit: (code) => exits.push(code),
      startFleet: async ({ workers, signal }) => {
        signals.emit("SIGINT");
        expect(signal.aborted).toBe(true);
        expect(exits).toEqual([]);
        signals.emit("SIGINT");
        return inProcessFleet(workers);
      },
    });
    expect(interrupted.exitCode).toBe(130);
    expect(exits).toEqual([130]);
    expect(interrupted.stderr).toMatch(/^deqfleet: stopping/);
    expect(JSON.parse(await readFile(join(cwd, "out/report.json"), "utf8")).run.status).toBe("cancelled");
  });

  it("tells fatal errors from others, with stacks on demand only", async () => {
    const cwd = await dataset();
    const startFleet = () => Promise.reject(new FatalError("no worker\ncould be started"));
    const args = ["restore", "in", "--out", "out", ...quick];
    const fatal = await run(args, { cwd, startFleet });
    expect(fatal).toMatchObject({ exitCode: 3, stderr: "deqfleet: no worker could be started\n" });
    expect((await run(args, { cwd, startFleet }, true)).stderr).toContain("    at ");
  });
});

describe("results", () => {
  it("tells what became of the pictures of an output folder", async () => {
    const cwd = await dataset();
    await writeFile(join(cwd, "in/broken.png"), "no picture");
    await run(["restore", "in", "--out", "out", ...quick], { cwd });
    const { exitCode, stdout } = await run(["results", "--restored", "out"], { cwd });
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ key: "a.png", status: "done", output: "a.png", worker: "worker-1" }),
        expect.objectContaining({ key: "broken.png", status: "failed" }),
      ]),
    );
    expect(lines).toHaveLength(2);
    const csv = await run(["results", "--restored", "out", "--format", "csv"], { cwd });
    expect(csv.stdout).toMatch(/^index,key,status,/);
    expect(csv.stdout).toMatch(/,a\.png,done,/);

    for (const [args, message] of [
      [["results"], /Name a job, or the output folder/],
      [["results", "--restored", "in"], /in is no folder that deqfleet restore has written to/],
      [["results", "other", "--restored", "out"], /holds no job other; it has restore-[0-9a-f]{16}/],
    ] as const) {
      const refused = await run(args, { cwd });
      expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(message) });
    }
  });
});
