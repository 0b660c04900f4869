/** `deqfleet restore`: its flags, and what it prints. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import type { RestoreReport } from "../coordinator/restore/report.js";
import type { RestoreEvent } from "../coordinator/restore/restore-event.js";
import { runRestore, type StartFleet } from "../coordinator/restore/run.js";
import { readConfigFile } from "../shared/config/config-file.js";
import { flagOf } from "../shared/config/options.js";
import { checkOptions, resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { goalNames } from "../shared/jobs/goal.js";
import { packageRoot } from "../shared/package-root.js";
import type { Console } from "./console.js";
import { exitCodes } from "./exit-codes.js";
import { type SignalSource, withInterruption } from "./interruption.js";
import { Progress } from "./progress.js";
import { withRestorationFlags } from "./restoration-flags.js";
import { number } from "./service.js";

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

/** The command's flags, without actions. Defaults are filled in later, so that a configuration file can come between. */
export function restoreCommand(name = "restore"): Command {
  const command = new Command(name)
    .description("restore pictures: each input is the damaged picture, or is damaged first with --simulate")
    .argument("<input...>", "picture files, folders or globs")
    .option("--out <dir>", "folder for the restored pictures (required here or in the file)");
  return withRestorationFlags(command)
    .addOption(
      new Option(
        "--goal <goal>",
        "auto: what is to be short, the time to each or to all (default: throughput)",
      ).choices([...goalNames]),
    )
    .option(
      "--workers <n>",
      "worker processes (default: one a core or GPU, at most 8 cores and one a picture)",
      number,
    )
    .option("--threads <n>", "threads of each worker (default: cores / workers)", number)
    .option(
      "--device <list>",
      "cpu, or the GPUs that the workers take turns with: cuda:0,cuda:1 (default: cpu)",
    )
    .option(
      "--batch <n>",
      "pictures in one network call of a worker that has whole chains (default: up to 4, by size; 16 on GPUs)",
      number,
    )
    .option("--listen <host:port>", "where the coordinator listens (default: 127.0.0.1:0, a free port)")
    .option("--model <file>", "diffusion prior, ONNX (default: the packaged one)")
    .option("--report <file>", "where the report goes (default: report.json in the output folder)")
    .option("--contact-sheet", "also write contact-sheet.png into the output folder")
    .option("--no-contact-sheet")
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
