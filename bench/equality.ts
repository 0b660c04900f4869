/**
 * How close the time-parallel picture is to the serial one where the default tolerance ends the rounds: every task,
 * method, T, number of workers and size, on the packaged prior.
 *
 *   npm run build && npm run bench:equality [-- --tasks all --methods all --sizes 64,128 --steps 10,25
 *     --workers 1,2,3,4 --photos astronaut --tol 0.1 --model FILE --json FILE]
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type MethodName, methodNames } from "../shared/chain/method.js";
import { defaultTolerance } from "../shared/config/restore-settings.js";
import { InputError } from "../shared/errors.js";
import type { TaskSettings } from "../shared/operators/task.js";
import { packageRoot } from "../shared/package-root.js";
import { chosen, chosenNumbers, chosenTasks } from "./choices.js";
import { machineLine } from "./machine.js";
import { clampedPsnr, type PhotoName, photoNames } from "./photo-chain.js";
import { PhotoSolver } from "./photo-solver.js";
import { median, table } from "./table.js";

const { values } = parseArgs({
  options: {
    tasks: { type: "string", default: "all" },
    methods: { type: "string", default: "all" },
    sizes: { type: "string", default: "64,128" },
    steps: { type: "string", default: "10,25" },
    workers: { type: "string", default: "1,2,3,4" },
    photos: { type: "string", default: "astronaut" },
    tol: { type: "string", default: String(defaultTolerance) },
    model: { type: "string", default: fileURLToPath(new URL("models/prior.onnx", packageRoot)) },
    json: { type: "string" },
  },
});
const tasks = chosenTasks("--tasks", values.tasks);
const methods = chosen("--methods", values.methods, methodNames);
const sizes = chosenNumbers("--sizes", values.sizes);
const stepCounts = chosenNumbers("--steps", values.steps);
const workerCounts = chosenNumbers("--workers", values.workers);
const photos = chosen("--photos", values.photos, photoNames);
const tolerance = Number(values.tol);
if (!(tolerance > 0)) throw new InputError(`--tol ${values.tol}: give a number above 0`);

/** One chain solved both ways. */
interface Comparison {
  readonly size: number;
  readonly steps: number;
  readonly task: TaskSettings["task"];
  readonly photo: PhotoName;
  readonly method: MethodName;
  readonly workers: number;
  readonly rounds: number;
  readonly evaluations: number;
  readonly psnr: number;
}

const solver = await PhotoSolver.load(values.model);
const found: Comparison[] = [];

async function compare(size: number, steps: number, task: TaskSettings, photo: PhotoName): Promise<void> {
  for (const method of methods) {
    const settings = { photo, size, task, method, steps };
    const serial = await solver.serialPicture(settings);
    for (const workers of workerCounts) {
      const stop = { tolerance, maxRounds: undefined };
      const { picture, rounds, evaluations } = await solver.timeParallel(
        settings,
        stop,
        solver.host(workers),
      );
      const psnr = clampedPsnr(picture, serial);
      found.push({ size, steps, task: task.task, photo, method, workers, rounds, evaluations, psnr });
      console.error(
        `${size} T=${steps} ${task.task} ${photo} ${method} x${workers}: ${psnr.toFixed(1)} dB, ${rounds} rounds`,
      );
    }
  }
}

for (const size of sizes)
  for (const steps of stepCounts)
    for (const task of tasks) for (const photo of photos) await compare(size, steps, task, photo);

const decibels = (psnr: number): string => (psnr === Number.POSITIVE_INFINITY ? "equal" : psnr.toFixed(1));
const rows = sizes.flatMap((size) =>
  tasks.flatMap(({ task }) =>
    methods.map((method) => {
      const perSteps = stepCounts.flatMap((steps) => {
        const cell = found.filter(
          (c) => c.size === size && c.steps === steps && c.task === task && c.method === method,
        );
        const psnr = cell.map((c) => c.psnr);
        const rounds = cell.map((c) => c.rounds);
        return [
          decibels(Math.min(...psnr)),
          decibels(median(psnr)),
          `${median(rounds)} (${Math.max(...rounds)})`,
        ];
      });
      return [String(size), task, method, ...perSteps];
    }),
  ),
);
const below = found.filter(({ psnr }) => psnr < 50).length;
console.log(
  `${machineLine()}; tolerance ${tolerance}, ${photos.join(", ")}, workers ${workerCounts.join(", ")}: dB against the serial picture, rounds as median (worst)\n`,
);
const header = stepCounts.flatMap((steps) => [`T = ${steps}: worst dB`, "median dB", "rounds"]);
console.log(table(["size", "task", "method", ...header], rows));
console.log(`\n${found.length} chains, ${below} of them further than 50 dB from the serial picture`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(found, null, 1)}\n`);
await solver.release();
