/**
 * What moving borders buys: evaluations on the critical path of cut chains of the packaged prior, and the steps moved for it,
 * against borders that stay.
 *
 *   npm run build && npm run bench:borders [-- --workers 2,4,8,13 --steps 25,50,100 --tasks sr-average,inpaint,colorize]
 *
 * Speeds are given, not measured: each worker takes 1 for a state, and a step costs `--wire` of that to move.
 *
 * With `--seconds` instead the wall time of the same chains over as many worker processes, borders decided by what rounds show, both
 * ways taking turns: not more workers than cores.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { type BorderPolicy, fixedBorders } from "../coordinator/solver/border-watch.js";
import { cutChain } from "../coordinator/solver/cut-chain.js";
import { moveBorders } from "../coordinator/solver/move-borders.js";
import { packageRoot } from "../shared/package-root.js";
import { chosenNumbers, chosenTasks } from "./choices.js";
import { machineLine } from "./machine.js";
import { PhotoSolver } from "./photo-solver.js";
import { RecordingHost } from "./recording-host.js";
import { median, table } from "./table.js";

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "2,4,8,13" },
    steps: { type: "string", default: "25,50" },
    tasks: { type: "string", default: "sr-average,inpaint,colorize,deblur-gauss" },
    wire: { type: "string", default: "0.05" },
    size: { type: "string", default: "64" },
    seconds: { type: "boolean", default: false },
  },
});
const workerCounts = chosenNumbers("--workers", values.workers);
const stepCounts = chosenNumbers("--steps", values.steps);
const tasks = chosenTasks("--tasks", values.tasks);
const wire = Number(values.wire);
const photos = ["astronaut", "coffee"] as const;
const stop = { tolerance: 0.1, maxRounds: undefined };

/** Borders follow the rule, with these costs. */
const priced = (workers: number, steps: number): BorderPolicy => ({
  observe: () => {},
  observeMove: () => {},
  plan: (situation) =>
    moveBorders({
      ...situation,
      seconds: (_, states) => states,
      perStep: wire,
      perMove: wire,
      longest: Math.max(...cutChain(steps, workers).map(({ begin, end }) => end - begin)),
    }),
});

const solver = await PhotoSolver.load(fileURLToPath(new URL("models/prior.onnx", packageRoot)));
console.log(`${machineLine()}\n`);

/** Seconds of every chain over worker processes, with borders that stay and with borders that move. */
async function compareSeconds(workers: number): Promise<string[][]> {
  const modelPath = fileURLToPath(new URL("models/prior.onnx", packageRoot));
  const { signal } = new AbortController();
  const fleet = await startLocalFleet({ workers, threads: 1, modelPath, signal });
  const rows: string[][] = [];
  for (const steps of stepCounts) {
    for (const task of tasks) {
      const settings = { size: Number(values.size), task, method: "secant", steps } as const;
      const found = { fixed: [] as number[], moving: [] as number[], ratio: [] as number[] };
      const run = async (photo: (typeof photos)[number], policy: BorderPolicy | undefined) => {
        const started = performance.now();
        await solver.timeParallel({ ...settings, photo }, stop, fleet.host, undefined, policy);
        return (performance.now() - started) / 1000;
      };
      await run(photos[0], undefined);
      for (const photo of [...photos, ...photos]) {
        const [fixed, moving] = [await run(photo, fixedBorders), await run(photo, undefined)];
        found.fixed.push(fixed);
        found.moving.push(moving);
        found.ratio.push(moving / fixed);
      }
      const saved = `${Math.round(100 * (1 - median(found.ratio)))} %`;
      const seconds = [found.fixed, found.moving].map((values) => median(values).toFixed(2));
      rows.push([String(steps), String(workers), task.task, ...seconds, saved]);
    }
  }
  await fleet.close();
  return rows;
}

if (values.seconds) {
  const rows: string[][] = [];
  for (const workers of workerCounts) rows.push(...(await compareSeconds(workers)));
  await solver.release();
  console.log(table(["T", "workers", "task", "borders stay, s", "borders move, s", "saved"], rows));
  process.exit();
}

const rows: string[][] = [];
for (const steps of stepCounts) {
  for (const workers of workerCounts) {
    const found = { fixed: [] as number[], moving: [] as number[], moved: [] as number[] };
    for (const task of tasks) {
      for (const photo of photos) {
        const settings = {
          photo,
          size: Number(values.size),
          task,
          method: "secant",
          steps,
        } as const;
        for (const [kind, policy] of [
          ["fixed", fixedBorders],
          ["moving", priced(workers, steps)],
        ] as const) {
          const host = new RecordingHost(solver.host(workers));
          const solution = await solver.timeParallel(settings, stop, host, undefined, policy);
          const path = host.rounds.reduce(
            (sum, round) => sum + Math.max(...round.map(({ report }) => report.evaluations)),
            0,
          );
          found[kind].push(path);
          if (kind === "moving") found.moved.push(solution.moved);
        }
      }
    }
    const [fixed, moving] = [median(found.fixed), median(found.moving)];
    rows.push([
      String(steps),
      String(workers),
      String(fixed),
      String(moving),
      `${Math.round(100 * (1 - moving / fixed))} %`,
      String(median(found.moved)),
    ]);
  }
}
await solver.release();
console.log(table(["T", "workers", "borders stay", "borders move", "saved", "steps moved"], rows));
