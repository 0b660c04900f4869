/**
 * What is done for a job beside its items: listing it, publishing again what is retried, dropping what was cancelled (one
 * coordinator at a time), and saying that it is at its end (whichever sees it first).
 *
 * Invariant: a job finishes when its listing is complete, nothing is to be requeued, and every item has an outcome; one that was
 * cancelled is at its end when every item has one.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DeqfleetError, InputError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { dropItems } from "./drop-items.js";
import type { FollowedJob } from "./followed-job.js";
import { insist } from "./insist.js";
import type { JobLog } from "./job-log.js";
import type { JobStores } from "./job-stores.js";
import { requeueItems } from "./requeue.js";
import type { StorePauses } from "./store-pauses.js";
import { submitItems } from "./submission.js";

/** Before another coordinator's hold is asked for again, and before what failed is tried again. */
export const holdMilliseconds = 2000;

/** What keeping a job takes. */
export interface JobKeepingParts {
  readonly log: JobLog;
  /** Undefined where they cannot be opened: dropping what was cancelled needs none. */
  readonly stores: JobStores | undefined;
  readonly pauses: StorePauses;
  readonly now: () => Date;
  /** Aborts when it is to be kept no longer. */
  readonly signal: AbortSignal;
}

/**
 * Keeps a job until it is at its end, or needs stores and there are none.
 * @throws the signal's reason, or what the log throws for good
 */
export async function keepJob(job: FollowedJob, parts: JobKeepingParts): Promise<void> {
  while (!job.over && (parts.stores || job.record.state === "cancelled")) {
    parts.signal.throwIfAborted();
    const seen = job.changes;
    if (await finish(job)) continue;
    if (needsKeeping(job.record)) await holdAndKeep(job, parts, seen);
    else await job.change(seen);
  }
}

const needsKeeping = ({ state, listedAll, requeue }: JobRecord): boolean =>
  state === "cancelled" || (state === "active" && (!listedAll || requeue.length > 0));

async function holdAndKeep(job: FollowedJob, parts: JobKeepingParts, seen: number): Promise<void> {
  const { log, stores, now } = parts;
  const { name } = job;
  const trouble = (error: unknown) => job.trouble(error);
  const held = await insist(() => log.hold(name), { signal: parts.signal, trouble });
  if (!held) {
    await Promise.race([job.change(seen), delay(holdMilliseconds)]);
    return;
  }
  const ending = new AbortController();
  const signal = AbortSignal.any([parts.signal, held.lost, ending.signal]);
  // The state may change under the work that is being done for it.
  const { state } = job.record;
  const unsubscribe = job.onChange(() => {
    if (job.record.state !== state) ending.abort();
  });
  try {
    const { record, tally } = job;
    if (state === "cancelled") {
      const ended = () => tally.ended >= job.record.listed;
      await dropItems({ log, job: record, tally, signal, now, ended });
    } else if (stores && record.requeue.length > 0) {
      await requeueItems({ log, input: stores.input, job: record, tally, signal, now });
    } else if (stores) {
      await submitItems({ log, stores, job: record, signal, onLeftOut: (message) => job.trouble(message) });
    }
  } catch (error) {
    if (signal.aborted) return;
    job.trouble(error);
    if (state === "cancelled" || !(error instanceof StoreUnavailableError || error instanceof InputError)) {
      await delay(holdMilliseconds, undefined, { signal: parts.signal }).catch(() => {});
    } else await parts.pauses.pause(DeqfleetError.messageOf(error));
  } finally {
    unsubscribe();
    await held.release().catch(() => {});
    const present = await insist(() => log.get(name), job);
    if (present) job.changed(present);
  }
}

/** @returns whether the record changed: the job is at its end, or goes on with what was dropped */
async function finish(job: FollowedJob): Promise<boolean> {
  const { tally } = job;
  const complete = (record: JobRecord) =>
    tally.ended >= record.listed && tally.requeuedIn(record.generation) >= record.requeued;
  const mayEnd = (record: JobRecord) =>
    record.finishedAt === null &&
    complete(record) &&
    (record.state === "cancelled" ||
      (record.state === "active" && record.listedAll && record.requeue.length === 0));
  if (!mayEnd(job.record)) return false;
  await job.update((record, at) => {
    if (!mayEnd(record)) return undefined;
    const { dropped } = tally.byStatus;
    // Resumed after it was cancelled, and some were dropped meanwhile.
    if (record.state === "active" && dropped > 0) {
      const generation = record.generation + 1;
      return { ...record, generation, requeue: ["dropped"], requeued: 0, updatedAt: at };
    }
    const state = record.state === "active" ? "finished" : record.state;
    return { ...record, state, finishedAt: at, updatedAt: at, counts: tally.byStatus };
  });
  return true;
}
