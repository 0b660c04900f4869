#!/usr/bin/env node
/** The program `deqfleet`: one sub-command a file. */
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { setV8Flags } from "../shared/v8-flags.js";
import { version } from "../shared/version.js";
import { addBench } from "./bench.js";
import { addCerts } from "./certs.js";
import { printError } from "./console.js";
import { addCoordinator } from "./coordinator.js";
import { exitCodeOf, exitCodes } from "./exit-codes.js";
import { addCancel, addDelete, addJobs, addRetry } from "./job-commands.js";
import { addModel } from "./model.js";
import { addPlan } from "./plan.js";
import { addRestore, type CommandSurroundings } from "./restore.js";
import { addResults } from "./results.js";
import { addSubmit } from "./submit.js";
import { addWatch } from "./watch.js";
import { addWorker } from "./worker.js";
import { addWorkers } from "./workers.js";

/** Text that commander prints for people, as one line of ours. */
const asErrorLine = (text: string): string =>
  `deqfleet: ${text
    .replace(/^error: /, "")
    .trim()
    .replace(/\s*\n\s*/g, " ")}\n`;

/** A command and all commands below it. */
const withSubcommands = (command: Command): Command[] => [
  command,
  ...command.commands.flatMap((below) => withSubcommands(below as Command)),
];

/**
 * Runs the program.
 * @param args without `node` and the script
 * @param debug whether errors come with their stacks
 * @returns its exit code; never throws
 */
export async function main(
  args: readonly string[],
  surroundings: CommandSurroundings,
  debug = false,
): Promise<number> {
  const { console } = surroundings;
  let exitCode: number = exitCodes.ok;
  const program = new Command("deqfleet")
    .description("restore datasets of damaged pictures with diffusion priors")
    .version(version);
  const done = (code: number): void => {
    exitCode = code;
  };
  addRestore(program, surroundings, done);
  addPlan(program, surroundings, done);
  addModel(program, surroundings, done);
  addBench(program, surroundings, done);
  addCerts(program, surroundings, done);
  addCoordinator(program, surroundings, done);
  addWorker(program, surroundings, done);
  addWorkers(program, surroundings, done);
  addSubmit(program, surroundings, done);
  addJobs(program, surroundings, done);
  addWatch(program, surroundings, done);
  addCancel(program, surroundings, done);
  addRetry(program, surroundings, done);
  addDelete(program, surroundings, done);
  addResults(program, surroundings, done);
  for (const command of withSubcommands(program)) {
    // Help is printed by us, and nothing exits behind our back.
    command.exitOverride().configureOutput({
      writeOut: (text) => console.stdout.write(text),
      writeErr: (text) => console.stderr.write(text),
      outputError: (text, write) => write(asErrorLine(text)),
    });
  }
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its own errors; its exit code is 0 for --help and --version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    printError(console, error, debug);
    return exitCodeOf(error);
  }
}

const script = process.argv[1];
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  // A reader that went away (`| head`) ends the output, not the run.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  setV8Flags();
  process.exitCode = await main(
    process.argv.slice(2),
    {
      console: { stdout: process.stdout, stderr: process.stderr },
      cwd: process.cwd(),
      signals: process,
      exit: (code) => process.exit(code),
    },
    process.env.DEQFLEET_DEBUG === "1",
  );
}
