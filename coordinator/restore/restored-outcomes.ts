/** What became of the pictures of an output folder of `deqfleet restore`, by its log. */
import { stat } from "node:fs/promises";
import { InputError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import { type StandingOutcome, standingOutcomes } from "../jobs/standing-outcomes.js";
import { openRestoreLog, restoreLogFolder } from "./restore-log.js";

/** The job of that name, or the one that was worked on last. */
function chosen(jobs: readonly JobRecord[], name: string | undefined, out: string): JobRecord {
  const [latest] = [...jobs].sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
  const job = name === undefined ? latest : jobs.find(({ spec }) => spec.name === name);
  if (job) return job;
  const names = jobs.map(({ spec }) => spec.name).join(", ");
  throw new InputError(`${out} holds no job ${name ?? ""}; it has ${names || "none"}`);
}

/**
 * One outcome for every picture that has one.
 * @param out the output folder
 * @param name of the job, one for all settings that pixels depend on; default: the one that was worked on last
 * @throws InputError if nothing was restored into the folder, or a run is using it
 */
export async function* restoredOutcomes(
  out: string,
  name: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<StandingOutcome, void, undefined> {
  const found = await stat(restoreLogFolder(out)).catch(() => undefined);
  if (!found?.isDirectory()) throw new InputError(`${out} is no folder that deqfleet restore has written to`);
  const log = await openRestoreLog(out);
  try {
    const { spec } = chosen(await log.list(), name, out);
    yield* standingOutcomes(log, spec.name, signal);
  } finally {
    await log.close();
  }
}
