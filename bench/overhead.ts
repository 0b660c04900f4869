/**
 * Time per round beyond the network: 256x256x3, T = 25, 4 local workers, a network that costs nothing.
 *
 *   npm run build && npm run bench:overhead [-- --size 256 --workers 4 --steps 25]
 *
 * The slowest worker bounds a round; what it spends in kernels (transforms, scan, norms) is shown apart from what the
 * exchange with the coordinator takes and from the coordinator's own scan and JavaScript.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { createOperator, type TaskSettings } from "../shared/operators/task.js";
import { writeNullModel } from "./null-model.js";
import { RecordingHost } from "./recording-host.js";
import { median, table } from "./table.js";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "256" },
    workers: { type: "string", default: "4" },
    steps: { type: "string", default: "25" },
    repeats: { type: "string", default: "6" },
  },
});
const [size, workers, steps, repeats] = [values.size, values.workers, values.steps, values.repeats].map(
  Number,
);
/** Rounds looked at: all states are still at work in the first, few in the last. */
const rounds = Math.min(steps, 8);

const tasks: readonly TaskSettings[] = [
  { task: "sr-average", scale: 4 },
  { task: "inpaint" },
  { task: "colorize" },
  { task: "deblur-gauss", blurForm: "exact" },
  { task: "cs-hadamard", ratio: 0.5, permutationSeed: 0 },
];

const folder = await mkdtemp(join(tmpdir(), "deqfleet-bench-"));
const modelPath = join(folder, "null.onnx");
await writeNullModel(modelPath);
const signal = new AbortController().signal;
const fleet = await startLocalFleet({ workers, threads: 1, modelPath, signal });
const scan = new PrefixScan();
const canvas = { height: size, width: size };
const kept = Uint8Array.from({ length: size * size }, (_, i) => (i % 5 === 0 ? 0 : 1));
const milliseconds = (seconds: readonly number[]) => (median(seconds) * 1000).toFixed(1);

console.log(
  `${cpus()[0].model}, ${cpus().length} cores, load ${loadavg()[0].toFixed(2)}; ${size}x${size}x3, T = ${steps}, ${workers} workers, first ${rounds} rounds, ${repeats} chains, medians in ms`,
);
const rows: string[][] = [];
for (const task of tasks) {
  const mask = task.task === "inpaint" ? kept : undefined;
  const operator = createOperator(task, canvas, mask ? { mask: { ...canvas, kept: mask } } : {});
  const clean = Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(i / 50));
  const chain = {
    pictureId: "bench",
    seed: 0,
    schedule: { steps, start: 1000, spacing: "uniform" },
    weights: { etw: 0, nw: 0 },
    method: "secant",
    task,
    canvas,
    mask,
    pseudoInverse: operator.pseudoInverse(operator.apply(clean)),
  } as const;

  const found = { wall: [], network: [], kernels: [], wire: [], coordinator: [] } as Record<string, number[]>;
  for (let repeat = 0; repeat <= repeats; repeat++) {
    const host = new RecordingHost(fleet.host);
    await solveTimeParallel(chain, { tolerance: 1e-9, maxRounds: rounds }, { host, scan, operator }, signal);
    if (repeat === 0) continue; // warm-up: sessions are built, memory is touched
    for (let k = 0; k + 1 < rounds; k++) {
      const exchanges = host.rounds[k];
      const slowest = exchanges.reduce((a, b) => (a.report.seconds.total > b.report.seconds.total ? a : b));
      const sent = Math.min(...exchanges.map((e) => e.sent));
      const came = Math.max(...exchanges.map((e) => e.came));
      const next = Math.min(...host.rounds[k + 1].map((e) => e.sent));
      found.wall.push(next - sent - slowest.report.seconds.network);
      found.network.push(slowest.report.seconds.network);
      found.kernels.push(slowest.report.seconds.kernels);
      found.wire.push(came - sent - slowest.report.seconds.total);
      found.coordinator.push(next - came);
    }
  }
  rows.push([
    task.task,
    ...["wall", "kernels", "wire", "coordinator", "network"].map((key) => milliseconds(found[key])),
  ]);
}
console.log(
  table(
    ["task", "beyond network", "kernels", "wire and waiting", "coordinator scan + JS", "(network)"],
    rows,
  ),
);
await fleet.close();
await scan.release();
await rm(folder, { recursive: true });
