import { EventEmitter } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readTraces } from "../bench/fleet/trace.js";
import { temporaryFolder } from "../test/small-pictures.js";
import { main } from "./main.js";

/** Runs `deqfleet bench fleet` in a folder of its own. */
async function run(args: readonly string[], signals = new EventEmitter()) {
  const cwd = await temporaryFolder();
  const written = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) });
  const surroundings = {
    console: { stdout: stream("stdout"), stderr: stream("stderr") },
    cwd,
    signals,
    exit: () => {},
  };
  const exitCode = await main(["bench", "fleet", ...args], surroundings);
  return { exitCode, cwd, ...written };
}

it("prints a table, and writes rows and plots", async () => {
  const args = ["--simulate", "--workers", "32,1,4", "--json", "rows.json", "--svg", "plots.svg"];
  const { exitCode, cwd, stdout, stderr } = await run(args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toMatch(/^Simulated: T = 25, .* chains of \d+ to \d+ rounds, one evaluation 35 ms\n/);
  expect(stdout).toMatch(/^\| 1 +\| whole chains/m);
  const { rows, traces } = JSON.parse(await readFile(join(cwd, "rows.json"), "utf8"));
  expect(traces.model).toMatch(/^[0-9a-f]{64}$/);
  const shown = rows.map(({ workers, plan }: { workers: number; plan: { slices?: number } }) => [
    workers,
    plan.slices,
  ]);
  expect(shown).toEqual([
    [1, undefined],
    [4, undefined],
    [4, 4],
    [32, undefined],
    [32, 5],
    [32, 25],
  ]);
  const [one, , , , , cut] = rows;
  // A serial chain by itself: 25 evaluations of 35 ms, and little else.
  expect(one.latency.median).toBeGreaterThan(0.875);
  expect(one.latency.median).toBeLessThan(0.91);
  expect(one.evaluationsPerPicture).toBe(25);
  expect(cut.latency.median).toBeLessThan(one.latency.median);
  expect(cut.evaluationsPerPicture).toBeGreaterThan(50);
  expect(await readFile(join(cwd, "plots.svg"), "utf8")).toContain("Latency of a picture");
});

it("takes a measured cost curve, slices, batches and a queue", async () => {
  const cost = join(await temporaryFolder(), "cost.json");
  await writeFile(cost, '[{"batch": 1, "seconds": 0.01}, {"batch": 8, "seconds": 0.011}]');
  const args = ["--simulate", "--workers", "2", "--slices", "1,2", "--batch", "8", "--pictures", "5"];
  const { exitCode, stdout } = await run([...args, "--cost", cost]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/one evaluation 10 ms\n/);
  for (const plan of ["whole chains, 8 a batch", "cut in 1", "cut in 2"])
    expect(stdout).toContain(`| ${plan}`);
});

it("shows what trouble costs", async () => {
  const args = [
    "--simulate",
    "--workers",
    "25",
    "--slices",
    "25",
    "--failures",
    "20",
    "--stragglers",
    "0.05",
  ];
  const { exitCode, stdout } = await run(args);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/\| losses \| failed \|/);
});

it("records traces that it can simulate", async () => {
  const chosen = ["--photos", "coffee", "--tasks", "sr-average", "--steps", "3", "--size", "32"];
  const { exitCode, cwd, stderr } = await run(["--record-traces", "traces.json", ...chosen]);
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/^T=3 sr-average coffee: \d rounds, \d evaluations\n$/);
  const path = join(cwd, "traces.json");
  const { traces, provenance } = await readTraces(path);
  expect(provenance).toMatchObject({ size: 32, tolerance: 0.1 });
  expect(traces).toHaveLength(1);
  expect(traces[0].evaluated[0]).toBe(3);
  const simulated = await run(["--simulate", "--traces", path, "--steps", "3", "--workers", "3"]);
  expect(simulated.exitCode).toBe(0);
  expect(simulated.stdout).toContain("| cut in 3");
});

it("ends as shells expect when recording is interrupted", async () => {
  const signals = new EventEmitter();
  const on = signals.on.bind(signals);
  // The signal comes as soon as anybody listens.
  signals.on = (name, listener) => {
    setImmediate(() => signals.emit(name));
    return on(name, listener);
  };
  const { exitCode, stderr } = await run(["--record-traces", "traces.json", "--steps", "3"], signals);
  expect(exitCode).toBe(130);
  expect(stderr).toMatch(/^deqfleet: stopping/);
});

it.each([
  [[], /--simulate, or --record-traces/],
  [["--simulate", "--steps", "25,50"], /one T/],
  [["--simulate", "--steps", "7"], /no trace of .* at T=7.*there are .*T=25/],
  [["--simulate", "--traces", "none.json"], /none.json cannot be used/],
  [["--simulate", "--cost", "none.json"], /cost curve .*none.json/],
  [["--simulate", "--workers", "0"], /--workers.*0/],
  [["--simulate", "--stragglers", "1.5"], /--stragglers.*from 0 to 1/],
  [["--simulate", "--straggler-factor", "0.5"], /--straggler-factor/],
  [["--simulate", "--setback", "half"], /--setback/],
])("refuses %j with one line", async (args, message) => {
  const { exitCode, stdout, stderr } = await run(args);
  expect(exitCode).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^deqfleet: [^\n]+\n$/);
  expect(stderr).toMatch(message);
});

it("has every flag documented", async () => {
  const text = await readFile(new URL("../docs/simulation.md", import.meta.url), "utf8");
  const { stdout } = await run(["--help"]);
  const found = [...stdout.matchAll(/^ {2}(--[a-z-]+)/gm)].map((match) => match[1]);
  expect(found.length).toBeGreaterThan(25);
  expect(found.filter((flag) => !text.includes(`\`${flag}`))).toEqual([]);
});
