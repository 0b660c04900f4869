/** `deqfleet watch`: a job's progress until it is at its end. */
import type { Command } from "commander";
import type { JobStatus__Output } from "../shared/wire/generated/deqfleet/v1/JobStatus.js";
import type { Console } from "./console.js";
import { exitCodes } from "./exit-codes.js";
import { type SignalSource, withInterruption } from "./interruption.js";
import { countsText, progressText } from "./job-text.js";
import { type ConnectionFlags, connectedCommand, JobsConnection } from "./jobs-connection.js";
import { Patience, withWaitFlag } from "./patience.js";
import { killProcess } from "./service.js";

const eraseLine = "\r\u001b[2K";
const defaultColumns = 80;

interface Flags extends ConnectionFlags {
  readonly json?: boolean;
  readonly wait: number;
}

/** Where it is not a terminal, a line only when something changed. */
function lineWriter({ stdout }: Console): { show(text: string): void; end(text: string): void } {
  let last = "";
  const redraws = stdout.isTTY === true;
  return {
    show: (text) => {
      if (redraws) stdout.write(`${eraseLine}${text.slice(0, (stdout.columns ?? defaultColumns) - 1)}`);
      else if (text !== last) stdout.write(`${text}\n`);
      last = text;
    },
    end: (text) => stdout.write(redraws ? `${eraseLine}${text}\n` : `${text}\n`),
  };
}

function exitCodeOf({ state, counts }: JobStatus__Output): number {
  if (state === "cancelled") return exitCodes.interrupted;
  return (counts?.failed ?? 0) + (counts?.dead ?? 0) > 0 ? exitCodes.picturesFailed : exitCodes.ok;
}

/** Adds the command to the program; `done` receives its exit code. */
export function addWatch(
  program: Command,
  { console, signals }: { readonly console: Console; readonly signals: SignalSource },
  done: (exitCode: number) => void,
): void {
  const command = connectedCommand("watch", "follow a job until it is at its end").argument(
    "<job>",
    "its name",
  );
  withWaitFlag(command, "a coordinator that answers, each time that none does");
  program.addCommand(
    command.action(async (name: string, { json, wait, ...flags }: Flags) => {
      const writer = lineWriter(console);
      const follow = (signal: AbortSignal, patience: Patience) =>
        JobsConnection.with(flags, async (connection) => {
          signal.throwIfAborted();
          let last: JobStatus__Output | undefined;
          const request = { name };
          for await (const status of connection.stream(
            (client, metadata) => client.watch(request, metadata),
            signal,
          )) {
            last = status;
            patience.answered();
            if (json) console.stdout.write(`${JSON.stringify(status)}\n`);
            else if (status.finishedAt === "") writer.show(progressText(status));
          }
          return last;
        });
      const interruption = {
        source: signals,
        onFirst: () => console.stderr.write("deqfleet: the job goes on without being watched\n"),
        kill: killProcess,
      };
      const last = await withInterruption(interruption, async (signal) => {
        const patience = new Patience(wait, console, signal);
        return patience
          .with(() => follow(signal, patience))
          .catch((error: unknown) => {
            if (signal.aborted) return undefined;
            throw error;
          });
      });
      if (last && !json) writer.end(`${name} ${last.state}: ${countsText(last)}`);
      done(last ? exitCodeOf(last) : exitCodes.interrupted);
    }),
  );
}
