/**
 * Resident memory of coordinator and workers over a long run, from files to files.
 *
 *   npm run build && npm run bench:memory [-- --plans serial,time-parallel --size 32 --steps 10 --pictures 200]
 *
 * Sizes are read from /proc whenever a picture is done (Linux only). "After n pictures" is the median over the five
 * pictures around the n-th, since a process's size breathes with its garbage collector.
 */
import { readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import type { Fleet } from "../coordinator/fleet.js";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { runRestore } from "../coordinator/restore/run.js";
import { type PlanName, planNames, resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { packageRoot } from "../shared/package-root.js";
import { setV8Flags } from "../shared/v8-flags.js";
import { machineLine } from "./machine.js";
import { writeNullModel } from "./null-model.js";
import { median, table } from "./table.js";

setV8Flags();
const { values } = parseArgs({
  options: {
    plans: { type: "string", default: "serial,time-parallel" },
    task: { type: "string", default: "sr-average" },
    size: { type: "string", default: "32" },
    steps: { type: "string", default: "10" },
    workers: { type: "string", default: "2" },
    pictures: { type: "string", default: "200" },
    method: { type: "string", default: "secant" },
    model: { type: "string", default: "prior" },
    /** Also run on pictures of this many different sizes. */
    sizes: { type: "string", default: "1" },
  },
});
const [size, steps, workers, pictures, sizes] = [
  values.size,
  values.steps,
  values.workers,
  values.pictures,
  values.sizes,
].map(Number);
const early = 20;
const plans = planNames.filter((plan) => values.plans.split(",").includes(plan));

const residentMegabytes = (pid: number): number => {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) / 1024;
};

const folder = await mkdtemp(join(tmpdir(), "deqfleet-bench-"));
const inputs = join(folder, "in");
await mkdir(inputs);
const photo = fileURLToPath(new URL("photos/astronaut.png", packageRoot));
for (let i = 0; i < pictures; i++) {
  const path = join(inputs, `${i}.png`);
  const width = size + 16 * (i % sizes);
  if (i < sizes) await sharp(photo).resize(width, size, { fit: "fill" }).toFile(path);
  else await copyFile(join(inputs, `${i % sizes}.png`), path);
}
const nullPath = join(folder, "null.onnx");
await writeNullModel(nullPath);
const defaultModel =
  values.model === "null" ? nullPath : fileURLToPath(new URL(`models/${values.model}.onnx`, packageRoot));

/** Sizes of the coordinator and of every worker, in MB, after each picture. */
async function measure(plan: PlanName): Promise<number[][]> {
  const options = {
    task: values.task,
    method: values.method,
    simulate: true,
    plan,
    steps,
    workers,
    threads: 1,
  };
  const out = join(folder, plan);
  const given = { ...options, out } as Parameters<typeof resolveRestoreSettings>[1];
  const settings = resolveRestoreSettings([inputs], given, {}, { cwd: folder, defaultModel });
  let fleet: Fleet | undefined;
  const sizes: number[][] = [];
  const report = await runRestore({
    settings,
    startFleet: async (options) => {
      fleet = await startLocalFleet(options);
      return fleet;
    },
    signal: new AbortController().signal,
    onEvent: ({ event }) => {
      if (event !== "picture-done") return;
      const pids = [process.pid, ...(fleet?.workers() ?? []).map(({ pid }) => pid)];
      sizes.push(pids.map(residentMegabytes));
    },
  });
  if (report.run.counts.done !== pictures) throw new Error(`only ${report.run.counts.done} were restored`);
  return sizes;
}

console.log(
  `${machineLine()}; ${values.task}, ${size}x${size}, T = ${steps}, ${workers} workers, ${pictures} pictures of ${sizes} sizes; MB resident`,
);
const rows: string[][] = [];
for (const plan of plans) {
  const found = await measure(plan);
  for (let process = 0; process <= workers; process++) {
    const all = found.map((sizes) => sizes[process]);
    const after = (n: number) => median(all.slice(Math.max(0, Math.min(n - 3, all.length - 5)), n + 2));
    const [a, b] = [after(early), after(pictures)];
    const name = process === 0 ? "coordinator" : `worker ${process}`;
    const middle = after(Math.round(pictures / 2));
    const growth = `${(100 * (b / a - 1)).toFixed(1)} %`;
    rows.push([
      plan,
      name,
      a.toFixed(0),
      middle.toFixed(0),
      b.toFixed(0),
      growth,
      Math.max(...all).toFixed(0),
    ]);
  }
}
console.log(
  table(
    ["plan", "process", `after ${early}`, `after ${pictures / 2}`, `after ${pictures}`, "growth", "largest"],
    rows,
  ),
);
await rm(folder, { recursive: true });
