/**
 * Deleting a job that is at its end: its record, outcomes and dead letters leave the log; what it has written stays.
 *
 * Invariant: the record says that the job is being deleted before anything of it is gone, so that whoever is interrupted leaves a job
 * that can be deleted again and nothing else; the record goes last.
 */
import { InputError, RetryableError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import type { JobLog } from "./job-log.js";

/** What was asked for needs a job that is at its end. */
export class JobNotEndedError extends InputError {}

/** @throws JobNotEndedError */
export function beingDeleted(job: JobRecord, now: Date): JobRecord | undefined {
  if (job.deleting) return undefined;
  const { name } = job.spec;
  if (job.finishedAt === null) {
    const remedy =
      job.state === "cancelled"
        ? "wait until what is at work of it has ended"
        : `cancel it first: deqfleet cancel ${name}`;
    throw new JobNotEndedError(`job ${name} is ${job.state} and not at its end; ${remedy}`);
  }
  return { ...job, deleting: true, updatedAt: now.toISOString() };
}

/**
 * Whether there is a job left to remove.
 * @param present what the log holds under its name
 * @throws InputError if that is another job, or one whose deletion has not begun
 */
export function mayRemove(present: JobRecord | undefined, job: JobRecord): present is JobRecord {
  if (present && !(present.deleting && present.createdAt === job.createdAt)) {
    const { name } = job.spec;
    throw new InputError(`job ${name} was deleted and submitted again meanwhile; the new one stays`);
  }
  return present !== undefined;
}

/**
 * Deletes a job. Its name is free then.
 * @throws JobNotEndedError, InputError if there is none, RetryableError if another coordinator is at it or the log is
 *   unreachable
 */
export async function deleteJob(log: JobLog, name: string, now: Date): Promise<void> {
  const held = await log.hold(name);
  if (!held) throw new RetryableError(`another coordinator is at work on job ${name}; try again`);
  try {
    const job = await log.update(name, (present) => beingDeleted(present, now));
    await log.remove(job, held.lost);
  } finally {
    // It is free after a while in any case.
    await held.release().catch(() => {});
  }
}
