/**
 * Rounds until the picture is, and stays, within 40, 50 and 60 dB of the serial one, by task, T and method; and the
 * network evaluations spent until then. Medians and worst cases over the photographs, on the packaged prior.
 *
 *   npm run build && npm run bench:rounds [-- --tasks all --steps 25,50 --methods secant,deqir,picard
 *     --photos astronaut,chelsea,coffee,rocket --size 64 --json FILE]
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { solveSerial, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { type MethodName, methodNames } from "../shared/chain/method.js";
import { defaultTolerance } from "../shared/config/restore-settings.js";
import type { TaskSettings } from "../shared/operators/task.js";
import { packageRoot } from "../shared/package-root.js";
import { OnnxNetwork } from "../worker/engine/network.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { chosen, chosenNumbers, chosenTasks } from "./choices.js";
import { machineLine } from "./machine.js";
import { clampedPsnr, type PhotoName, photoChain, photoNames } from "./photo-chain.js";
import { median, table } from "./table.js";
import { TappingHost } from "./tapping-host.js";

const { values } = parseArgs({
  options: {
    tasks: { type: "string", default: "sr-average,inpaint,colorize" },
    steps: { type: "string", default: "25,50" },
    methods: { type: "string", default: "secant,deqir,picard" },
    photos: { type: "string", default: photoNames.join(",") },
    size: { type: "string", default: "64" },
    json: { type: "string" },
  },
});
const tasks = chosenTasks("--tasks", values.tasks);
const stepCounts = chosenNumbers("--steps", values.steps);
const methods = chosen("--methods", values.methods, methodNames);
const photos = chosen("--photos", values.photos, photoNames);
const [size] = chosenNumbers("--size", values.size);

const signal = new AbortController().signal;
const model = fileURLToPath(new URL("models/prior.onnx", packageRoot));
const network = await OnnxNetwork.load(model, { threads: 1 });
const host = new InProcessHost(new SliceEngine(network, { threads: 1 }), 1);
const scan = new PrefixScan();

/** Small enough that no run stops early: all of its rounds are looked at. */
const endless = 1e-9;
const levels = [40, 50, 60] as const;

/** One chain, round by round. */
interface Run {
  readonly task: TaskSettings["task"];
  readonly steps: number;
  readonly method: MethodName;
  readonly photo: PhotoName;
  /** dB against the serial picture after k rounds; entry 0: before the first. */
  readonly psnr: readonly number[];
  /** Network evaluations spent in the first k rounds. */
  readonly evaluations: readonly number[];
  /** Rounds after which the default tolerance would have stopped. */
  readonly stops: number;
}

async function run(task: TaskSettings, steps: number, photo: PhotoName): Promise<Run[]> {
  const runs: Run[] = [];
  let serial: Float32Array | undefined;
  for (const method of methods) {
    const { chain, operator } = await photoChain({ photo, size, task, method, steps });
    serial ??= (await solveSerial(chain, host, 0, signal)).picture;
    const reference = serial;
    const tap = new TappingHost(host);
    const settings = { tolerance: endless, maxRounds: undefined };
    const solution = await solveTimeParallel(chain, settings, { host: tap, scan, operator }, signal);
    const limit = defaultTolerance / endless;
    const met = solution.residuals.findIndex((ratio) => ratio <= limit);
    runs.push({
      task: task.task,
      steps,
      method,
      photo,
      psnr: tap.pictures.map((picture) => clampedPsnr(picture, reference)),
      evaluations: tap.evaluations,
      stops: met < 0 ? solution.rounds : met + 1,
    });
    console.error(
      `${task.task} T=${steps} ${photo} ${method}: 50 dB after ${roundsTo(runs.at(-1)!, 50)} rounds`,
    );
  }
  return runs;
}

/** Rounds after which the picture is within `level` dB for good; Infinity: never. */
function roundsTo({ psnr }: Run, level: number): number {
  const last = psnr.findLastIndex((value) => !(value >= level));
  return last + 1 < psnr.length ? last + 1 : Number.POSITIVE_INFINITY;
}

const shown = (value: number): string => (Number.isFinite(value) ? String(value) : "never");
const medianAndWorst = (all: readonly number[]): string =>
  `${shown(median(all))} (${shown(Math.max(...all))})`;

const all: Run[] = [];
for (const steps of stepCounts) {
  for (const task of tasks) for (const photo of photos) all.push(...(await run(task, steps, photo)));
}

const rows = stepCounts.flatMap((steps) =>
  tasks.flatMap(({ task }) =>
    methods.map((method) => {
      const runs = all.filter((r) => r.task === task && r.steps === steps && r.method === method);
      const to = (level: number) => runs.map((r) => roundsTo(r, level));
      const spent = runs.map((r) => r.evaluations[roundsTo(r, 50)] ?? Number.POSITIVE_INFINITY);
      return [
        String(steps),
        task,
        method,
        ...levels.map((level) => medianAndWorst(to(level))),
        shown(median(spent)),
        medianAndWorst(runs.map((r) => r.stops)),
        Math.min(...runs.map((r) => r.psnr[r.stops])).toFixed(1),
      ];
    }),
  ),
);
console.log(
  `${machineLine()}; ${size}x${size}, ${photos.length} photographs: rounds as median (worst), evaluations as median\n`,
);
const header = ["T", "task", "method", ...levels.map((level) => `${level} dB`)];
console.log(
  table([...header, "evaluations to 50 dB", `stops at tol ${defaultTolerance}`, "worst dB there"], rows),
);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(all, null, 1)}\n`);
await network.release();
await scan.release();
