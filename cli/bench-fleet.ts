/** `deqfleet bench fleet`: simulates fleets from recorded convergence traces, and records these. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { chosen, chosenTasks } from "../bench/choices.js";
import { readCostPoints } from "../bench/fleet/cost-curve.js";
import type { FleetModel } from "../bench/fleet/fleet-model.js";
import { studyFleet } from "../bench/fleet/fleet-row.js";
import { fleetSvg, fleetTable } from "../bench/fleet/fleet-table.js";
import { recordTraces } from "../bench/fleet/record-traces.js";
import { evaluationsOf, readTraces, type Trace, traceFileText } from "../bench/fleet/trace.js";
import { photoNames } from "../bench/photo-chain.js";
import { defaultMethod, type MethodName, methodNames } from "../shared/chain/method.js";
import { defaultTolerance } from "../shared/config/restore-settings.js";
import { InputError } from "../shared/errors.js";
import { costCurve } from "../shared/fleet/cost-curve.js";
import { packageRoot } from "../shared/package-root.js";
import { exitCodes } from "./exit-codes.js";
import { withInterruption } from "./interruption.js";
import { choice, count, number } from "./model-arguments.js";
import type { CommandSurroundings } from "./restore.js";

const packagedTraces = fileURLToPath(new URL("bench/traces/prior-64.json", packageRoot));
const defaultModel = fileURLToPath(new URL("models/prior.onnx", packageRoot));
const powersToThousand = Array.from({ length: 11 }, (_, i) => 2 ** i);

interface FleetFlags {
  readonly simulate?: boolean;
  readonly recordTraces?: string;
  readonly traces: string;
  readonly steps: readonly number[];
  readonly tasks: string;
  readonly method?: MethodName;
  readonly photos: string;
  readonly workers: readonly number[];
  readonly slices?: readonly number[];
  readonly batch: number;
  readonly pictures?: number;
  readonly evaluation: number;
  readonly cost?: string;
  readonly size: number;
  readonly latency: number;
  readonly bandwidth: number;
  readonly coordinatorBandwidth?: number;
  readonly messageCost: number;
  readonly tensorCost: number;
  readonly pictureCost: number;
  readonly itemCost: number;
  readonly stragglers: number;
  readonly stragglerFactor: number;
  readonly failures: number;
  readonly restart: number;
  readonly reseed: number;
  readonly borders: "moving" | "fixed";
  readonly setback: number;
  readonly seed: number;
  readonly json?: string;
  readonly svg?: string;
}

/** A number within bounds. */
const within =
  (lowest: number, highest = Number.POSITIVE_INFINITY) =>
  (text: string): number => {
    const value = number(text);
    if (value >= lowest && value <= highest) return value;
    const range =
      highest < Number.POSITIVE_INFINITY ? `from ${lowest} to ${highest}` : `of ${lowest} or more`;
    throw new InvalidArgumentError(`It is no number ${range}.`);
  };

function positive(text: string): number {
  const value = number(text);
  if (!(value > 0)) throw new InvalidArgumentError("It is no number above 0.");
  return value;
}

/** A whole number of 0 or more. */
const rounds = (text: string): number => (text.trim() === "0" ? 0 : count(text));

/** Whole numbers, ascending, each once. */
const counts = (text: string): number[] => [...new Set(text.split(",").map(count))].sort((a, b) => a - b);

/** Flags in the units people think in. Defaults: docs/simulation.md says where each comes from. */
function flags(command: Command): Command {
  return command
    .option("--simulate", "simulate fleets and print what they would do")
    .option("--record-traces <file>", "solve the sample photographs instead, and write their traces")
    .option("--traces <file>", "recorded convergence traces", packagedTraces)
    .option("--steps <list>", "T; --record-traces takes a list, as in 25,50,100", counts, [25])
    .option("--tasks <list>", "tasks of the traces, or all", "sr-average,inpaint,colorize")
    .addOption(choice("--method <name>", "method of the traces (default: as in the file)", methodNames))
    .option("--photos <list>", "--record-traces: photographs, or all", "all")
    .option("--workers <list>", "numbers of workers", counts, powersToThousand)
    .option("--slices <list>", "slices per chain (default: T/5, and over all workers up to T)", counts)
    .option("--batch <n>", "whole chains that a worker evaluates together", count, 1)
    .option("--pictures <n>", "pictures in the queue (default: 16 for each in flight)", count)
    .option("--evaluation <ms>", "time of an evaluation, any batch being as many of them", positive, 35)
    .option("--cost <file>", 'measured time of batches instead: JSON, [{"batch": 1, "seconds": 0.035}, ...]')
    .option("--size <pixels>", "side of the pictures, which the size of a tensor follows", count, 64)
    .option("--latency <ms>", "one way between coordinator and worker", within(0), 0.1)
    .option("--bandwidth <gbit>", "of a worker's link, Gbit/s each way", positive, 10)
    .option("--coordinator-bandwidth <gbit>", "of the coordinator's link (default: --bandwidth)", positive)
    .option("--message-cost <ms>", "coordinator's time for a command or a report", within(0), 0.06)
    .option("--tensor-cost <ns>", "coordinator's time for a tensor, by its bytes", within(0), 1.1)
    .option(
      "--picture-cost <ms>",
      "coordinator's time for the files of a picture whose chain is cut",
      within(0),
      15,
    )
    .option(
      "--item-cost <ms>",
      "coordinator's time for a picture that a worker restores by itself",
      within(0),
      0.7,
    )
    .addOption(
      new Option("--borders <how>", "borders of cut chains move with the work, or stay")
        .choices(["moving", "fixed"])
        .default("moving"),
    )
    .option("--stragglers <share>", "share of the batches that are slow, 0 to 1", within(0, 1), 0)
    .option("--straggler-factor <times>", "how slow", within(1), 4)
    .option("--failures <rate>", "deaths of a worker in an hour", within(0), 0)
    .option("--restart <s>", "time until a dead worker's successor can be asked", within(0), 10)
    .option("--reseed <ms>", "time to open a lost slice, beyond its tensors", within(0), 50)
    .option("--setback <rounds>", "rounds of progress that go with a lost slice", rounds, 1)
    .option("--seed <n>", "of stragglers and failures", within(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--json <file>", "write the rows, and the model that they hold for")
    .option("--svg <file>", "write plots");
}

async function modelOf(given: FleetFlags, cwd: string): Promise<FleetModel> {
  const points = given.cost
    ? await readCostPoints(resolve(cwd, given.cost))
    : [{ batch: 1, seconds: given.evaluation / 1000 }];
  const bytesASecond = (gigabits: number) => (gigabits * 1e9) / 8;
  const tensorBytes = 12 * given.size ** 2;
  return {
    cost: costCurve(points),
    tensorBytes,
    network: {
      latency: given.latency / 1000,
      bandwidth: bytesASecond(given.bandwidth),
      coordinatorBandwidth: bytesASecond(given.coordinatorBandwidth ?? given.bandwidth),
    },
    coordinator: {
      perMessage: given.messageCost / 1000,
      perTensor: (given.tensorCost * tensorBytes) / 1e9,
      perPicture: given.pictureCost / 1000,
      perItem: given.itemCost / 1000,
    },
    borders: given.borders,
    stragglers: { share: given.stragglers, factor: given.stragglerFactor },
    failures: {
      perWorkerHour: given.failures,
      restart: given.restart,
      reseed: given.reseed / 1000,
      setback: given.setback,
    },
    seed: given.seed,
  };
}

function matching(traces: readonly Trace[], given: FleetFlags): Trace[] {
  const { tasks, steps, method = traces[0].method } = given;
  if (steps.length !== 1) throw new InputError(`--steps ${steps.join(",")}: a simulation takes one T`);
  const names = chosenTasks("--tasks", tasks).map(({ task }) => task);
  const found = traces.filter(
    (trace) => trace.steps === steps[0] && trace.method === method && names.includes(trace.task),
  );
  if (found.length > 0) return found;
  const known = [...new Set(traces.map((trace) => `${trace.method} T=${trace.steps} ${trace.task}`))].join(
    ", ",
  );
  throw new InputError(
    `no trace of ${method} at T=${steps[0]} with tasks ${names.join(", ")}: there are ${known}; record others with --record-traces`,
  );
}

async function simulate(given: FleetFlags, { console, cwd }: CommandSurroundings): Promise<void> {
  const file = await readTraces(resolve(cwd, given.traces));
  const traces = matching(file.traces, given);
  const model = await modelOf(given, cwd);
  const { workers, slices, batch, pictures } = given;
  const rows = studyFleet({ workers, slices, batch, pictures, traces, model });
  const rounds = traces.map(({ done }) => done.length);
  const title =
    `Simulated: T = ${given.steps[0]}, ${traces[0].method}, ${traces.length} chains of ` +
    `${Math.min(...rounds)} to ${Math.max(...rounds)} rounds, one evaluation ${Number((1000 * model.cost(1)).toPrecision(3))} ms`;
  console.stdout.write(`${title}\n\n${fleetTable(rows)}\n`);
  if (given.json !== undefined) {
    const { cost, ...constants } = model;
    const curve = [1, 2, 4, 8, 16, 32, 64, 128].map((n) => ({ batch: n, seconds: cost(n) }));
    const document = {
      traces: file.provenance,
      steps: given.steps[0],
      model: { ...constants, cost: curve },
      rows,
    };
    await writeFile(resolve(cwd, given.json), `${JSON.stringify(document, null, 1)}\n`);
  }
  if (given.svg !== undefined) await writeFile(resolve(cwd, given.svg), fleetSvg(rows, title));
}

/** @returns the exit code */
async function record(path: string, given: FleetFlags, surroundings: CommandSurroundings): Promise<number> {
  const { console, cwd, signals, exit } = surroundings;
  const plan = {
    modelPath: defaultModel,
    photos: chosen("--photos", given.photos, photoNames),
    tasks: chosenTasks("--tasks", given.tasks),
    steps: given.steps,
    methods: [given.method ?? defaultMethod],
    size: given.size,
    tolerance: defaultTolerance,
    now: () => new Date(),
  };
  let interrupted = false;
  const interruption = {
    source: signals,
    onFirst: () => {
      interrupted = true;
      console.stderr.write("deqfleet: stopping after this round; nothing is written\n");
    },
    kill: () => exit(exitCodes.interrupted),
  };
  const tell = (trace: Trace) =>
    console.stderr.write(
      `T=${trace.steps} ${trace.task} ${trace.photo}: ${trace.done.length} rounds, ${evaluationsOf(trace)} evaluations\n`,
    );
  try {
    const file = await withInterruption(interruption, (signal) => recordTraces(plan, signal, tell));
    await writeFile(resolve(cwd, path), traceFileText(file));
    return exitCodes.ok;
  } catch (error) {
    if (interrupted) return exitCodes.interrupted;
    throw error;
  }
}

/** The command; `done` receives its exit code. */
export function fleetCommand(surroundings: CommandSurroundings, done: (exitCode: number) => void): Command {
  const command = new Command("fleet").description("simulate fleets that are not here, from recorded traces");
  return flags(command).action(async (given: FleetFlags) => {
    if (given.recordTraces !== undefined) {
      done(await record(given.recordTraces, given, surroundings));
      return;
    }
    if (!given.simulate) throw new InputError("bench fleet: give --simulate, or --record-traces FILE");
    await simulate(given, surroundings);
    done(exitCodes.ok);
  });
}
