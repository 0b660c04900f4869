/** `deqfleet bench rounds`: how fast the methods converge, on the sample photographs and the packaged prior. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { chosen, chosenTasks } from "../bench/choices.js";
import { panelsSvg } from "../bench/fleet/line-plot.js";
import { machineLine } from "../bench/machine.js";
import { photoNames } from "../bench/photo-chain.js";
import { PhotoSolver } from "../bench/photo-solver.js";
import { type ChainRun, equalDecibels, roundsTo, runChain } from "../bench/rounds/chain-run.js";
import { compareWithFewerSteps } from "../bench/rounds/fewer-steps.js";
import {
  type ComparedRun,
  comparisonTable,
  roundsPanels,
  roundsTable,
} from "../bench/rounds/rounds-table.js";
import { methodNames } from "../shared/chain/method.js";
import { packageRoot } from "../shared/package-root.js";
import { exitCodes } from "./exit-codes.js";
import { count, number } from "./model-arguments.js";
import type { CommandSurroundings } from "./restore.js";

interface RoundsFlags {
  readonly tasks: string;
  readonly steps: readonly number[];
  readonly methods: string;
  readonly photos: string;
  readonly seeds: readonly number[];
  readonly workers: readonly number[];
  readonly size: number;
  readonly maxRounds?: number;
  readonly json?: string;
  readonly svg?: string;
}

const listOf =
  (parse: (text: string) => number) =>
  (text: string): number[] => [...new Set(text.split(",").map(parse))];

function seed(text: string): number {
  const value = number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("It is no seed.");
  return value;
}

async function benchRounds(given: RoundsFlags, { console, cwd }: CommandSurroundings): Promise<void> {
  const tasks = chosenTasks("--tasks", given.tasks);
  const methods = chosen("--methods", given.methods, methodNames);
  const photos = chosen("--photos", given.photos, photoNames);
  const { seeds, size, workers, maxRounds } = given;
  const print = (text: string) => console.stdout.write(`${text}\n`);
  print(
    `${machineLine()}; ${size}x${size}, ${photos.length} photographs, ${seeds.length} seeds: median (worst) rounds to stay within so many dB of the serial picture`,
  );
  const solver = await PhotoSolver.load(fileURLToPath(new URL("models/prior.onnx", packageRoot)));
  const runs: ChainRun[] = [];
  const compared: ComparedRun[] = [];
  try {
    for (const steps of given.steps) {
      const [before, comparedBefore] = [runs.length, compared.length];
      for (const task of tasks)
        for (const photo of photos)
          for (const chainSeed of seeds)
            for (const method of methods) {
              const choice = { task, steps, method, photo, seed: chainSeed, size, maxRounds };
              const run = await runChain(solver, choice);
              runs.push(run);
              // The first method named is the one that its rival is compared with.
              if (method === methods[0]) {
                const comparisons = await compareWithFewerSteps(solver, run, task, workers);
                compared.push({ run, comparisons });
              }
              const rounds = roundsTo(run, equalDecibels);
              const after = Number.isFinite(rounds) ? `after ${rounds}` : `not after ${run.psnr.length - 1}`;
              console.stderr.write(
                `${task.task} T=${steps} ${photo} seed ${chainSeed} ${method}: ${equalDecibels} dB ${after} rounds\n`,
              );
            }
      print(`\n${roundsTable(runs.slice(before), workers)}`);
      print(
        `\n${methods[0]} at ${equalDecibels} dB, and serial chains of equal latency, against the true picture:`,
      );
      print(`\n${comparisonTable(compared.slice(comparedBefore))}`);
      // Written as they grow: a long run that is cut short leaves what it found.
      if (given.json !== undefined) {
        const comparisons = compared.map(({ run, comparisons: all }) => ({
          ...{ task: run.task, steps: run.steps, photo: run.photo, seed: run.seed, method: run.method },
          all,
        }));
        const document = { machine: machineLine(), runs, fewerSteps: comparisons };
        await writeFile(resolve(cwd, given.json), `${JSON.stringify(document, null, 1)}\n`);
      }
      if (given.svg !== undefined) {
        const title = `Rounds at ${size}x${size}, medians over ${photos.length} photographs and ${seeds.length} seeds`;
        await writeFile(resolve(cwd, given.svg), panelsSvg(title, roundsPanels(runs)));
      }
    }
  } finally {
    await solver.release();
  }
}

/** The command; `done` receives its exit code. */
export function roundsCommand(surroundings: CommandSurroundings, done: (exitCode: number) => void): Command {
  return new Command("rounds")
    .description(
      "count rounds, evaluations and critical paths of the methods, beside serial chains of fewer steps",
    )
    .option("--tasks <list>", "tasks, or all", "sr-average,inpaint,colorize")
    .option("--steps <list>", "T", listOf(count), [10, 25, 50, 100])
    .option(
      "--methods <list>",
      "methods, or all; the first is compared with fewer steps",
      "secant,parataa,deqir,paradigms,picard",
    )
    .option("--photos <list>", "photographs, or all", "all")
    .option("--seeds <list>", "seeds of the start noise", listOf(seed), [0])
    .option("--workers <list>", "workers that critical paths are counted for", listOf(count), [4, 16, 100])
    .option("--size <pixels>", "side of the pictures", count, 64)
    .option("--max-rounds <n>", "rounds of a chain that are looked at; default: as many as it takes", count)
    .option("--json <file>", "write every run, round by round")
    .option("--svg <file>", "write plots")
    .action(async (given: RoundsFlags) => {
      await benchRounds(given, surroundings);
      done(exitCodes.ok);
    });
}
