/**
 * Time per round beyond the network: 256x256x3, T = 25, 4 local workers, a network that costs nothing.
 *
 *   npm run build && npm run bench:overhead [-- --size 256 --workers 1,2,4,8,16 --steps 25 --tasks sr-average,inpaint]
 *
 * With `--lanes off` tensors travel by sockets, as between machines, with `--lanes off --rounds off` in gRPC messages; with
 * `--round-trip 2` a message of a round and its answer also spend 2 ms on the way (`hold-back.ts`).
 *
 * The slowest worker bounds a round; what it spends in kernels (transforms, scan, norms) is shown apart from what the
 * exchange with the coordinator takes, its scan included, and from the coordinator's JavaScript between two exchanges.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { createOperator } from "../shared/operators/task.js";
import { setV8Flags } from "../shared/v8-flags.js";
import { chosen, chosenNumbers, chosenTasks } from "./choices.js";
import { startDistantFleet } from "./distant-fleet.js";
import { machineLine } from "./machine.js";
import { writeNullModel } from "./null-model.js";
import { RecordingHost } from "./recording-host.js";
import { median, table } from "./table.js";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "256" },
    workers: { type: "string", default: "4" },
    tasks: { type: "string", default: "sr-average,inpaint,colorize,deblur-gauss,cs-hadamard" },
    lanes: { type: "string", default: "on" },
    rounds: { type: "string", default: "on" },
    "round-trip": { type: "string", default: "0" },
    steps: { type: "string", default: "25" },
    repeats: { type: "string", default: "6" },
  },
});
const [size, steps, repeats] = [values.size, values.steps, values.repeats].map(Number);
const workerCounts = chosenNumbers("--workers", values.workers);
const roundTrip = Number(values["round-trip"]);
const [lanes] = chosen("--lanes", values.lanes, ["on", "off"]);
const [sockets] = chosen("--rounds", values.rounds, ["on", "off"]);
const tasks = chosenTasks("--tasks", values.tasks);
/** Chains not counted: sessions are built, code is compiled, memory is touched. */
const warmUps = 3;
/** Rounds looked at: all states are still at work in the first, few in the last. */
const rounds = Math.min(steps, 8);

setV8Flags();
const folder = await mkdtemp(join(tmpdir(), "deqfleet-bench-"));
const modelPath = join(folder, "null.onnx");
await writeNullModel(modelPath);
const signal = new AbortController().signal;
const scan = new PrefixScan();
const canvas = { height: size, width: size };
const kept = Uint8Array.from({ length: size * size }, (_, i) => (i % 5 === 0 ? 0 : 1));
const milliseconds = (seconds: readonly number[]) => (median(seconds) * 1000).toFixed(1);

console.log(
  `${machineLine()}; ${size}x${size}x3, T = ${steps}, lanes ${roundTrip > 0 ? "off" : lanes}${sockets === "on" ? "" : ", rounds in gRPC messages"}, first ${rounds} rounds, ${repeats} chains, medians in ms`,
);
for (const workers of workerCounts) {
  const fleet =
    roundTrip > 0
      ? await startDistantFleet({ workers, modelPath, signal }, roundTrip)
      : await startLocalFleet({
          ...{ workers, threads: 1, modelPath, signal },
          ...{ lanes: lanes === "on", rounds: sockets === "on" },
        });
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

    const found = { wall: [], network: [], kernels: [], wire: [], coordinator: [] } as Record<
      string,
      number[]
    >;
    for (let repeat = 0; repeat < warmUps + repeats; repeat++) {
      const host = new RecordingHost(fleet.host);
      await solveTimeParallel(
        chain,
        { tolerance: 1e-9, maxRounds: rounds },
        { host, scan, operator },
        signal,
      );
      if (repeat < warmUps) continue;
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
  const trip = "roundTrip" in fleet ? `, round trip ${fleet.roundTrip.toFixed(1)} ms as measured` : "";
  console.log(`\n${workers} workers${trip}`);
  console.log(
    table(["task", "beyond network", "kernels", "wire and waiting", "coordinator", "(network)"], rows),
  );
  await fleet.close();
}
await scan.release();
await rm(folder, { recursive: true });
