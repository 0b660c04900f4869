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
import { type MethodName, methodNames } from "../shared/chain/method.js";
import { defaultTolerance } from "../shared/config/restore-settings.js";
import type { TaskSettings } from "../shared/operators/task.js";
import { packageRoot } from "../shared/package-root.js";
import { chosen, chosenNumbers, chosenTasks } from "./choices.js";
import { machineLine } from "./machine.js";
import { clampedPsnr, type PhotoName, photoNames } from "./photo-chain.js";
import { PhotoSolver } from "./photo-solver.js";
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

const solver = await PhotoSolver.load(fileURLToPath(new URL("models/prior.onnx", packageRoot)));

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
  for (const method of methods) {
    const chain = { photo, size, task, method, steps };
    const serial = await solver.serialPicture(chain);
    const tap = new TappingHost(solver.host(1));
    const solution = await solver.timeParallel(chain, { tolerance: endless, maxRounds: undefined }, tap);
    const limit = defaultTolerance / endless;
    const met = solution.residuals.findIndex((ratio) => ratio <= limit);
    runs.push({
      task: task.task,
      steps,
      method,
      photo,
      psnr: tap.pictures.map((picture) => clampedPsnr(picture, serial)),
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

const header = ["T", "task", "method", ...levels.map((level) => `${level} dB`)];
header.push("evaluations to 50 dB", `stops at tol ${defaultTolerance}`, "worst dB there");

/** One row a method: its runs over the photographs. */
function row(steps: number, task: TaskSettings["task"], method: MethodName, runs: readonly Run[]): string[] {
  const spent = runs.map((r) => r.evaluations[roundsTo(r, 50)] ?? Number.POSITIVE_INFINITY);
  return [
    String(steps),
    task,
    method,
    ...levels.map((level) => medianAndWorst(runs.map((r) => roundsTo(r, level)))),
    shown(median(spent)),
    medianAndWorst(runs.map((r) => r.stops)),
    Math.min(...runs.map((r) => r.psnr[r.stops])).toFixed(1),
  ];
}

console.log(
  `${machineLine()}; ${size}x${size}, ${photos.length} photographs: rounds as median (worst), evaluations as median`,
);
const all: Run[] = [];
for (const steps of stepCounts) {
  const rows: string[][] = [];
  for (const task of tasks) {
    const found: Run[] = [];
    for (const photo of photos) found.push(...(await run(task, steps, photo)));
    for (const method of methods) {
      rows.push(
        row(
          steps,
          task.task,
          method,
          found.filter((r) => r.method === method),
        ),
      );
    }
    all.push(...found);
    // Written as it grows: a long run that is cut short leaves what it found.
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(all, null, 1)}\n`);
  }
  console.log(`\n${table(header, rows)}`);
}
await solver.release();
