/** `deqfleet restore`: its flags, and what it prints. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import type { RestoreReport } from "../coordinator/restore/report.js";
import type { RestoreEvent } from "../coordinator/restore/restore-event.js";
import { runRestore, type StartFleet } from "../coordinator/restore/run.js";
import { defaultMethod, methodNames } from "../shared/chain/method.js";
import { readConfigFile } from "../shared/config/config-file.js";
import { flagOf } from "../shared/config/options.js";
import {
  checkOptions,
  defaultTolerance,
  planNames,
  resolveRestoreSettings,
} from "../shared/config/restore-settings.js";
import { timestepSpacings } from "../shared/diffusion/noise-schedule.js";
import { taskNames } from "../shared/operators/task.js";
import { packageRoot } from "../shared/package-root.js";
import { defaultMaxPixels } from "../shared/pictures/decode.js";
import type { Console } from "./console.js";
import { exitCodes } from "./exit-codes.js";
import { type SignalSource, withInterruption } from "./interruption.js";
import { Progress } from "./progress.js";

/** What the command needs of its surroundings. */
export interface CommandSurroundings {
  readonly console: Console;
  readonly cwd: string;
  readonly signals: SignalSource;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
  /** Default: workers on this machine. */
  readonly startFleet?: StartFleet;
}

function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new InvalidArgumentError("It is no number.");
  return value;
}

/** The command's flags, without actions. Defaults are filled in later, so that a configuration file can come between. */
function restoreCommand(): Command {
  const choice = (flags: string, text: string, names: readonly string[]) =>
    new Option(flags, text).choices([...names]);
  return new Command("restore")
    .description("restore pictures: each input is the damaged picture, or is damaged first with --simulate")
    .argument("<input...>", "picture files, folders or globs")
    .option("--out <dir>", "folder for the restored pictures (required here or in the file)")
    .addOption(
      choice("--task <task>", "what happened to the pictures (required here or in the file)", taskNames),
    )
    .option("--scale <n>", "sr-*: how many times larger the restored picture is (default: 4)", number)
    .option("--mask <file>", "inpaint: picture of the known pixels, white where known")
    .option("--ratio <r>", "cs-hadamard: measurements a pixel, up to 1 (default: 0.5)", number)
    .option("--permutation-seed <n>", "cs-hadamard: seed of the choice of coordinates (default: 0)", number)
    .addOption(
      choice("--blur-form <form>", "deblur-*: the true blur, or DeqIR's (default: exact)", [
        "exact",
        "deqir",
      ]),
    )
    .option("--simulate", "inputs are clean: damage them first, save that, and report PSNR and SSIM")
    .option("--no-simulate")
    .option("--steps <n>", "steps T of the chain (default: 25)", number)
    .option("--start <t>", "diffusion time the chain starts below, up to 1000 (default: 1000)", number)
    .addOption(choice("--spacing <name>", "how timesteps are spread (default: uniform)", timestepSpacings))
    .option("--etw <w>", "how much of the predicted noise is dropped, 0 to 1 (default: 0)", number)
    .option("--nw <w>", "how much fresh noise is added (default: 0)", number)
    .option("--seed <n>", "seed of all noise (default: 0)", number)
    .addOption(choice("--plan <plan>", "how the workers are spent (default: auto)", planNames))
    .addOption(
      choice("--method <name>", `how a cut chain is solved (default: ${defaultMethod})`, methodNames),
    )
    .option(
      "--tol <t>",
      `residual allowed, relative to the noise level (default: ${defaultTolerance})`,
      number,
    )
    .option("--max-rounds <n>", "rounds allowed (default: as many as it takes, at most T)", number)
    .option(
      "--window <n>",
      "steps evaluated in a round, 1 to T (default: all; a quarter for paradigms)",
      number,
    )
    .option("--workers <n>", "worker processes (default: one a core, at most 8 and one a picture)", number)
    .option("--threads <n>", "threads of each worker (default: cores / workers)", number)
    .option(
      "--batch <n>",
      "pictures in one network call of a worker that has whole chains (default: up to 4, by size)",
      number,
    )
    .option("--listen <host:port>", "where the coordinator listens (default: 127.0.0.1:0, a free port)")
    .option("--model <file>", "diffusion prior, ONNX (default: the packaged one)")
    .option("--report <file>", "where the report goes (default: report.json in the output folder)")
    .option("--contact-sheet", "also write contact-sheet.png into the output folder")
    .option("--no-contact-sheet")
    .option("--max-pixels <n>", `refuse pictures with more pixels (default: ${defaultMaxPixels})`, number)
    .option("--config <file>", "YAML file with any of these options; the command line wins")
    .option("--json", "print JSON lines, one an event")
    .option("--quiet", "print errors only");
}

/** How events are shown, and how to make room for other output. */
interface EventDisplay {
  readonly show: (event: RestoreEvent) => void;
  readonly clear: () => void;
}

function displayFor(console: Console, { json, quiet }: { json?: boolean; quiet?: boolean }): EventDisplay {
  if (json) {
    return { show: (event) => console.stdout.write(`${JSON.stringify(event)}\n`), clear: () => {} };
  }
  if (quiet) return { show: () => {}, clear: () => {} };
  const progress = new Progress(console);
  return { show: (event) => progress.show(event), clear: () => progress.clear() };
}

const exitCodeFor = ({ run: { counts, status } }: RestoreReport): number => {
  if (status === "cancelled") return exitCodes.interrupted;
  return counts.failed > 0 ? exitCodes.picturesFailed : exitCodes.ok;
};

async function restore(
  inputs: readonly string[],
  { config, ...given }: Record<string, unknown>,
  { console, cwd, signals, exit, startFleet = startLocalFleet }: CommandSurroundings,
): Promise<number> {
  const flags = checkOptions(given, flagOf);
  const file = typeof config === "string" ? await readConfigFile(resolve(cwd, config)) : {};
  const defaultModel = fileURLToPath(new URL("models/prior.onnx", packageRoot));
  const settings = resolveRestoreSettings(inputs, flags, file, { cwd, defaultModel });
  const display = displayFor(console, { ...file, ...flags });
  const onEvent = (event: RestoreEvent): void => {
    if (event.event === "picture-failed") {
      display.clear();
      const { error = "failed" } = event.item;
      console.stderr.write(`deqfleet: ${error.replace(/\s*\n\s*/g, " ")}\n`);
    }
    display.show(event);
  };
  const interruption = {
    source: signals,
    onFirst: () => {
      display.clear();
      console.stderr.write("deqfleet: stopping; interrupt again to stop at once\n");
    },
    kill: () => exit(exitCodes.interrupted),
  };
  try {
    const report = await withInterruption(interruption, (signal) =>
      runRestore({ settings, startFleet, signal, onEvent, cwd }),
    );
    return exitCodeFor(report);
  } finally {
    display.clear();
  }
}

/** Adds the command to the program; `done` receives its exit code. */
export function addRestore(
  program: Command,
  surroundings: CommandSurroundings,
  done: (exitCode: number) => void,
): void {
  program.addCommand(
    restoreCommand().action(async (inputs: string[], options: Record<string, unknown>) => {
      done(await restore(inputs, options, surroundings));
    }),
  );
}
