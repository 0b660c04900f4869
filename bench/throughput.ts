/**
 * Pictures per second of throughput mode against bare loops, side by side in one run.
 *
 *   npm run build && npm run bench:throughput [-- --model prior --size 64 --steps 25 --workers 2 --batches 1,2,4,8]
 *
 * Three contenders take turns on the same pictures, each with one process of one thread per worker:
 * - bare: as many plain processes as there are workers, each with half of the pictures (bench/bare-loop.ts);
 * - chains: a coordinator that has whole chains solved by its workers;
 * - restore: `deqfleet restore` from files to files, report included.
 * The processor seconds of each (bare / chains / restore) tell the cost apart from who else uses the machine.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { WorkerSlots } from "../coordinator/fleet/worker-slots.js";
import type { Fleet } from "../coordinator/fleet.js";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { runRestore } from "../coordinator/restore/run.js";
import { solveSerial } from "../coordinator/solver/solve-chain.js";
import { workerEnvironment } from "../coordinator/worker-environment.js";
import { batchLimits } from "../shared/chain/batch-limits.js";
import { resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { collectAtOnce, collectionFlags } from "../shared/garbage-collection.js";
import { packageRoot } from "../shared/package-root.js";
import type { BareResult, BareTask } from "./bare-loop.js";
import { machineLine } from "./machine.js";
import { writeNullModel } from "./null-model.js";
import { median, table } from "./table.js";

collectAtOnce();
const { values } = parseArgs({
  options: {
    model: { type: "string", default: "prior" },
    size: { type: "string", default: "64" },
    steps: { type: "string", default: "25" },
    workers: { type: "string", default: "2" },
    pictures: { type: "string", default: "16" },
    repeats: { type: "string", default: "3" },
    batches: { type: "string", default: "1,2,4,8" },
  },
});
const [size, steps, workers, pictures, repeats] = [
  values.size,
  values.steps,
  values.workers,
  values.pictures,
  values.repeats,
].map(Number);

const folder = await mkdtemp(join(tmpdir(), "deqfleet-bench-"));
const nullPath = join(folder, "null.onnx");
await writeNullModel(nullPath);
const modelPath =
  values.model === "null" ? nullPath : fileURLToPath(new URL(`models/${values.model}.onnx`, packageRoot));
const signal = new AbortController().signal;
const canvas = { height: size, width: size };
const chain = {
  pictureId: "",
  seed: 0,
  schedule: { steps, start: 1000, spacing: "uniform" },
  weights: { etw: 0, nw: 0 },
  method: "secant",
  task: { task: "colorize" },
  canvas,
  mask: undefined,
} as const;

async function makeInputs(): Promise<string> {
  const inputs = join(folder, "in");
  await mkdir(inputs);
  const photo = fileURLToPath(new URL("photos/astronaut.png", packageRoot));
  const first = join(inputs, "0.png");
  await sharp(photo).resize(size, size).greyscale().toFile(first);
  for (let i = 1; i < pictures; i++) await copyFile(first, join(inputs, `${i}.png`));
  return inputs;
}
const inputs = await makeInputs();

/** Seconds until the last of the processes is done. */
async function runBare(processes: readonly ChildProcess[], batch: number, count = pictures): Promise<number> {
  const task: BareTask = { modelPath, chain, pictures: count / processes.length, batch };
  const results = processes.map(async (child) => {
    child.send(task);
    const [result] = (await once(child, "message")) as [BareResult];
    return result.seconds;
  });
  return Math.max(...(await Promise.all(results)));
}

async function runChains({ host }: Fleet, batch: number, count = pictures): Promise<number> {
  const slots = new WorkerSlots<number>({ chains: count, ahead: 1 });
  for (let worker = 0; worker < workers; worker++) slots.join(worker, batchLimits(batch));
  const pseudoInverse = Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(i / 50));
  const started = performance.now();
  const solve = async (_: unknown, i: number) => {
    const { worker, release } = await slots.acquire(canvas, false, signal);
    await solveSerial({ ...chain, pseudoInverse, pictureId: `${i}.png` }, host, worker, signal);
    release();
  };
  await Promise.all(Array.from({ length: count }, solve));
  return (performance.now() - started) / 1000;
}

let runs = 0;
async function runFiles(fleet: Fleet, batch: number): Promise<number> {
  const options = { out: join(folder, `out-${runs++}`), task: "colorize", plan: "serial" } as const;
  const surroundings = { cwd: folder, defaultModel: modelPath };
  const settings = resolveRestoreSettings([inputs], { ...options, steps, workers, batch }, {}, surroundings);
  const kept = { ...fleet, close: async () => {} };
  const report = await runRestore({ settings, startFleet: async () => kept, signal });
  if (report.run.counts.done !== pictures) throw new Error(`only ${report.run.counts.done} were restored`);
  return report.run.seconds;
}

/** Processor seconds that processes have used so far (Linux only; elsewhere not a number). */
function processorSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    } catch {
      return Number.NaN;
    }
  });
  return ticks.reduce((sum, count) => sum + count, 0) / 100;
}

const rows: string[][] = [];
const bare = Array.from({ length: workers }, () =>
  fork(fileURLToPath(new URL("bare-loop.js", import.meta.url)), {
    execArgv: [...collectionFlags],
    env: workerEnvironment(process.env),
  }),
);
console.log(
  `${machineLine()}; ${values.model}, ${size}x${size}, T = ${steps}, ${workers} workers, ${pictures} pictures, medians of ${repeats} runs`,
);
for (const batch of values.batches.split(",").map(Number)) {
  const fleet = await startLocalFleet({ workers, threads: 1, modelPath, signal, batch: batchLimits(batch) });
  const contenders = [
    () => runBare(bare, batch),
    () => runChains(fleet, batch),
    () => runFiles(fleet, batch),
  ];
  // Sessions are built, code is compiled, memory is touched.
  await runBare(bare, batch, workers);
  await runChains(fleet, batch, workers);
  const own = [process.pid, ...fleet.workers().map(({ pid }) => pid)];
  const pids = [bare.map(({ pid }) => pid ?? 0), own, own];
  const seconds: number[][] = contenders.map(() => []);
  const processor = contenders.map(() => 0);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [i, contender] of contenders.entries()) {
      const before = processorSeconds(pids[i]);
      seconds[i].push(await contender());
      processor[i] += processorSeconds(pids[i]) - before;
    }
  }
  const perSecond = seconds.map((all) => pictures / median(all));
  const ratio = (i: number) => median(seconds[i].map((s, r) => seconds[0][r] / s)).toFixed(3);
  const each = processor.map((sum) => (sum / pictures / repeats).toFixed(4));
  rows.push([
    String(batch),
    ...perSecond.map((rate) => rate.toFixed(3)),
    ratio(1),
    ratio(2),
    each.join(" / "),
  ]);
  await fleet.close();
}
for (const child of bare) child.disconnect();
console.log(
  table(
    [
      "batch",
      "bare loops, pictures/s",
      "chains",
      "restore",
      "chains / bare",
      "restore / bare",
      "processor s a picture",
    ],
    rows,
  ),
);
await rm(folder, { recursive: true });
