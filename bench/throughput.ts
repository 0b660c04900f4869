/**
 * Pictures per second of throughput mode against bare loops, side by side in one run.
 *
 *   npm run build && npm run bench:throughput [-- --model prior --size 64 --steps 25 --workers 2 --batches 1,2,4,8]
 *
 * Three contenders take turns on the same pictures, each with one process of one thread per worker:
 * - bare: as many plain processes as there are workers, each with its share of the pictures (bench/bare-loop.ts);
 * - pictures: workers that restore whole pictures from file to file, as a coordinator hands them out;
 * - restore: `deqfleet restore`, with hashes of inputs and model, log and report.
 * Who goes first changes from turn to turn. The ratios are medians over the turns, each with the lowest and highest. The processor
 * seconds of each contender, over all its processes, tell the cost apart from who else uses the machine.
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
import { picturesAhead, WorkerSlots } from "../coordinator/fleet/worker-slots.js";
import type { Fleet } from "../coordinator/fleet.js";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { runRestore } from "../coordinator/restore/run.js";
import { workerEnvironment } from "../coordinator/worker-environment.js";
import { batchLimits } from "../shared/chain/batch-limits.js";
import { resolveRestoreSettings } from "../shared/config/restore-settings.js";
import type { Restoration } from "../shared/jobs/job.js";
import { packageRoot } from "../shared/package-root.js";
import { defaultMaxPixels } from "../shared/pictures/decode.js";
import { setV8Flags, v8Flags } from "../shared/v8-flags.js";
import type { BareResult, BareTask } from "./bare-loop.js";
import { machineLine } from "./machine.js";
import { writeNullModel } from "./null-model.js";
import { median, table } from "./table.js";

setV8Flags();
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
let runs = 0;

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

const restoration: Restoration = {
  task: chain.task,
  simulate: false,
  ...chain.schedule,
  ...chain.weights,
  seed: 0,
  method: chain.method,
  tol: 0.1,
  maxRounds: null,
  window: null,
  plan: "serial",
  maxPixels: defaultMaxPixels,
};

async function runPictures(fleet: Fleet, batch: number, count = pictures): Promise<number> {
  const out = join(folder, `out-${runs++}`);
  const slots = new WorkerSlots<number>({ chains: count });
  for (let worker = 0; worker < workers; worker++) slots.join(worker, batchLimits(batch));
  const file = (path: string) => ({ store: null, key: path });
  const started = performance.now();
  const numbers = Array.from({ length: count }, (_, i) => i).values();
  const restoreThem = async () => {
    for (const i of numbers) {
      const { worker, release } = await slots.acquire(canvas, false, signal);
      const input = file(join(inputs, `${i}.png`));
      const picture = { pictureId: `${i}.png`, restoration, input, output: file(join(out, `${i}.png`)) };
      await fleet.restore(worker, { ...picture, measurement: undefined, mask: undefined }, signal);
      release();
    }
  };
  await Promise.all(Array.from({ length: workers * (batch + picturesAhead) }, restoreThem));
  return (performance.now() - started) / 1000;
}

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
    execArgv: [...v8Flags],
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
    () => runPictures(fleet, batch),
    () => runFiles(fleet, batch),
  ];
  // Sessions are built, code is compiled, memory is touched.
  await runBare(bare, batch, workers * batch);
  await runPictures(fleet, batch, workers * batch);
  const own = [process.pid, ...fleet.workers().map(({ pid }) => pid)];
  const pids = [bare.map(({ pid }) => pid ?? 0), own, own];
  const seconds: number[][] = contenders.map(() => []);
  const processor = contenders.map(() => 0);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const i = (repeat + turn) % contenders.length;
      const before = processorSeconds(pids[i]);
      seconds[i].push(await contenders[i]());
      processor[i] += processorSeconds(pids[i]) - before;
    }
  }
  const perSecond = seconds.map((all) => pictures / median(all));
  const ratio = (i: number) => {
    const all = seconds[i].map((s, r) => seconds[0][r] / s);
    return `${median(all).toFixed(3)} (${Math.min(...all).toFixed(3)} to ${Math.max(...all).toFixed(3)})`;
  };
  const each = processor.map((sum) => ((1000 * sum) / pictures / repeats).toFixed(2));
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
      "pictures",
      "restore",
      "pictures / bare",
      "restore / bare",
      "processor ms a picture",
    ],
    rows,
  ),
);
await rm(folder, { recursive: true });
