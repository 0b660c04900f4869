/** `deqfleet jobs`, `cancel`, `retry`, `delete`: one call each. */
import type { Command } from "commander";
import type { DeleteReply__Output } from "../shared/wire/generated/deqfleet/v1/DeleteReply.js";
import type { JobRequest } from "../shared/wire/generated/deqfleet/v1/JobRequest.js";
import type { JobStatus__Output } from "../shared/wire/generated/deqfleet/v1/JobStatus.js";
import type { ListJobsReply__Output } from "../shared/wire/generated/deqfleet/v1/ListJobsReply.js";
import type { ListJobsRequest } from "../shared/wire/generated/deqfleet/v1/ListJobsRequest.js";
import type { RetryRequest } from "../shared/wire/generated/deqfleet/v1/RetryRequest.js";
import type { Console } from "./console.js";
import { exitCodes } from "./exit-codes.js";
import { countsText, jobsTable, stateText } from "./job-text.js";
import { type ConnectionFlags, connectedCommand, JobsConnection } from "./jobs-connection.js";

interface Flags extends ConnectionFlags {
  readonly json?: boolean;
}

interface Surroundings {
  readonly console: Console;
}

/** Shows what a job is after it was changed. */
function show({ stdout }: Console, status: JobStatus__Output, json: boolean | undefined): void {
  if (json) stdout.write(`${JSON.stringify(status)}\n`);
  else stdout.write(`${status.spec?.name}: ${stateText(status)}; ${countsText(status)}\n`);
}

/** Adds `jobs` to the program; `done` receives its exit code. */
export function addJobs(program: Command, { console }: Surroundings, done: (exitCode: number) => void): void {
  const command = connectedCommand("jobs", "list the jobs of a fleet, the oldest first");
  program.addCommand(
    command.action(async ({ json, ...flags }: Flags) => {
      const { jobs } = await JobsConnection.with(flags, (connection) =>
        connection.call<ListJobsRequest, ListJobsReply__Output>((client) => client.list, {}),
      );
      if (json) for (const job of jobs) console.stdout.write(`${JSON.stringify(job)}\n`);
      else if (jobs.length === 0) console.stdout.write("no jobs\n");
      else console.stdout.write(jobsTable(jobs));
      done(exitCodes.ok);
    }),
  );
}

/** Adds `cancel` to the program; `done` receives its exit code. */
export function addCancel(
  program: Command,
  { console }: Surroundings,
  done: (exitCode: number) => void,
): void {
  const command = connectedCommand(
    "cancel",
    "begin nothing more of a job; what is at work is finished, and submitting it again goes on",
  ).argument("<job>", "its name");
  program.addCommand(
    command.action(async (name: string, { json, ...flags }: Flags) => {
      const status = await JobsConnection.with(flags, (connection) =>
        connection.call<JobRequest, JobStatus__Output>((client) => client.cancel, { name }),
      );
      show(console, status, json);
      done(exitCodes.ok);
    }),
  );
}

/** Adds `retry` to the program; `done` receives its exit code. */
export function addRetry(
  program: Command,
  { console }: Surroundings,
  done: (exitCode: number) => void,
): void {
  const command = connectedCommand("retry", "try the pictures again that were given up")
    .argument("<job>", "its name")
    .option("--failed", "those that failed as well: unreadable ones, for example, once they are mended");
  program.addCommand(
    command.action(async (name: string, { json, failed = false, ...flags }: Flags & { failed?: boolean }) => {
      const status = await JobsConnection.with(flags, (connection) =>
        connection.call<RetryRequest, JobStatus__Output>((client) => client.retry, {
          name,
          failed,
          dead: true,
        }),
      );
      show(console, status, json);
      done(exitCodes.ok);
    }),
  );
}

/** Adds `delete` to the program; `done` receives its exit code. */
export function addDelete(
  program: Command,
  { console }: Surroundings,
  done: (exitCode: number) => void,
): void {
  const command = connectedCommand(
    "delete",
    "remove a job that is finished or cancelled from the log; what it has written stays",
  ).argument("<job>", "its name");
  program.addCommand(
    command.action(async (name: string, { json, ...flags }: Flags) => {
      await JobsConnection.with(flags, (connection) =>
        connection.call<JobRequest, DeleteReply__Output>((client) => client.delete, { name }),
      );
      console.stdout.write(
        json ? `${JSON.stringify({ deleted: name })}\n` : `${name}: deleted; its outputs stay\n`,
      );
      done(exitCodes.ok);
    }),
  );
}
