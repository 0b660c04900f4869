/** `deqfleet results`: the manifest of a job. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { manifestCsv, manifestJsonLines } from "../coordinator/jobs/manifest.js";
import type { StandingOutcome } from "../coordinator/jobs/standing-outcomes.js";
import { restoredOutcomes } from "../coordinator/restore/restored-outcomes.js";
import { DeqfleetError, FatalError, InputError } from "../shared/errors.js";
import type { Console } from "./console.js";
import { exitCodes } from "./exit-codes.js";
import { type ConnectionFlags, connectedCommand, JobsConnection } from "./jobs-connection.js";

interface Flags extends ConnectionFlags {
  readonly format: "jsonl" | "csv";
  readonly out?: string;
  readonly restored?: string;
}

async function* outcomesOf(chunks: AsyncIterable<string>): AsyncGenerator<StandingOutcome> {
  for await (const chunk of chunks) {
    // Chunks end between lines.
    for (const line of chunk.split("\n")) if (line !== "") yield JSON.parse(line);
  }
}

/** Writes chunks to a file, as fast as it takes them. @throws FatalError if it cannot be written */
async function writeTo(path: string, chunks: AsyncIterable<string>): Promise<void> {
  const file = createWriteStream(path);
  const failed = once(file, "error").then(([cause]) => {
    throw new FatalError(`--out ${path} cannot be written: ${DeqfleetError.messageOf(cause)}`, { cause });
  });
  const written = async () => {
    for await (const chunk of chunks) if (!file.write(chunk)) await once(file, "drain");
    file.end();
    await once(file, "finish");
  };
  await Promise.race([failed, written()]);
}

/** Adds the command to the program; `done` receives its exit code. */
export function addResults(
  program: Command,
  { console, cwd }: { readonly console: Console; readonly cwd: string },
  done: (exitCode: number) => void,
): void {
  const command = connectedCommand("results", "what became of every picture of a job so far")
    .argument("[job]", "its name; with --restored it may be left out")
    .addOption(
      new Option("--format <format>", "JSON Lines, or CSV").choices(["jsonl", "csv"]).default("jsonl"),
    )
    .option("--out <file>", "write it there (default: print it)")
    .option("--restored <dir>", "of deqfleet restore: its output folder, in place of a coordinator");
  program.addCommand(
    command.action(async (name: string | undefined, { format, out, restored, ...flags }: Flags) => {
      const { signal } = new AbortController();
      const write = async (chunks: AsyncIterable<string>) => {
        if (out === undefined) for await (const chunk of chunks) console.stdout.write(chunk);
        else await writeTo(resolve(cwd, out), chunks);
      };
      if (restored !== undefined) {
        const outcomes = restoredOutcomes(resolve(cwd, restored), name, signal);
        await write(format === "csv" ? manifestCsv(outcomes) : manifestJsonLines(outcomes));
      } else if (name === undefined) {
        throw new InputError(
          "results of what? Name a job, or the output folder of a restore with --restored DIR",
        );
      } else {
        await JobsConnection.with(flags, async (connection) => {
          const messages = connection.stream(
            (client, metadata) => client.results({ name }, metadata),
            signal,
          );
          const lines = (async function* () {
            for await (const { jsonLines } of messages) yield jsonLines;
          })();
          await write(format === "csv" ? manifestCsv(outcomesOf(lines)) : lines);
        });
      }
      done(exitCodes.ok);
    }),
  );
}
