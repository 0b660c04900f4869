/**
 * A retry: items that ended badly are published again, in the job's present generation.
 *
 * Invariant: an item is published before the log of outcomes says so, and what is to be requeued stays in the job's record until
 * all of it is: whoever goes on after a crash publishes some of them again, and the tally counts each once.
 */

import { InputError, PictureError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import { type ItemOutcome, itemOutcomeSchema, type WorkItem } from "../../shared/jobs/work-item.js";
import { type ObjectStore, StoreUnavailableError } from "../../shared/storage/object-store.js";
import type { JobLog } from "./job-log.js";
import type { Tally } from "./tally.js";

/** Items published at a time. */
const batchItems = 256;

/** What a retry needs. */
export interface Requeueing {
  readonly log: JobLog;
  readonly input: ObjectStore;
  readonly job: JobRecord;
  readonly tally: Tally;
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

/** The line that takes an outcome back. */
const requeuedLine = (outcome: ItemOutcome, generation: number, at: string): ItemOutcome =>
  itemOutcomeSchema.parse({
    ...outcome,
    generation,
    status: "requeued",
    output: null,
    sha256: null,
    worker: null,
    plan: null,
    rounds: null,
    evaluations: null,
    residual: null,
    consistency: null,
    psnr: null,
    ssim: null,
    deliveries: 0,
    seconds: 0,
    at,
    inputSha256: undefined,
    course: undefined,
  });

/**
 * Bytes of an input, 0 if it is gone or cannot be looked at: it fails with a better message when its turn comes.
 * @throws StoreUnavailableError if the input cannot be listed either: then it is no fault of the one object
 */
async function bytesOf(input: ObjectStore, key: string, signal: AbortSignal): Promise<number> {
  try {
    return (await input.describe(key, { signal }))?.bytes ?? 0;
  } catch (error) {
    if (error instanceof StoreUnavailableError) for await (const _ of input.list({ signal })) break;
    else if (!(error instanceof InputError || error instanceof PictureError)) throw error;
    return 0;
  }
}

/** What is published again, and for whom. */
export interface PublishAgain extends Pick<Requeueing, "log" | "tally" | "now"> {
  readonly name: string;
  readonly generation: number;
  /** In the order in which they are to be given out. */
  readonly items: readonly WorkItem[];
  /** Of those among the items that have one: it does not count any more. */
  readonly outcomes: readonly ItemOutcome[];
}

/** Publishes items, and takes the outcomes back that they had. @throws RetryableError if the log is unreachable */
export async function publishAgain(again: PublishAgain): Promise<void> {
  const { log, tally, now, name, generation, items, outcomes } = again;
  if (outcomes.length > 0) {
    await log.exhume(
      name,
      outcomes.map(({ index }) => index),
    );
  }
  await log.publish(name, items);
  await Promise.all(
    outcomes.map(async (outcome) => {
      const line = requeuedLine(outcome, generation, now().toISOString());
      await log.record(name, line);
      tally.apply(line);
    }),
  );
}

/**
 * Publishes the items whose outcome is one of those the job's record names, and says so in the record when all of them are.
 * @throws RetryableError if the log is unreachable, StoreUnavailableError if the input is
 */
export async function requeueItems({ log, input, job, tally, signal, now }: Requeueing): Promise<void> {
  const { name } = job.spec;
  const { generation } = job;
  const wanted = new Set<string>(job.requeue);
  let batch: ItemOutcome[] = [];

  const publish = async (): Promise<void> => {
    const items: WorkItem[] = [];
    for (const { index, key } of batch) {
      items.push({ index, generation, key, bytes: await bytesOf(input, key, signal) });
    }
    await publishAgain({ log, tally, now, name, generation, items, outcomes: batch });
    batch = [];
  };

  for await (const outcome of log.outcomes(name, { follow: false, signal })) {
    // What is followed may lag behind what is read here.
    tally.apply(outcome);
    if (!wanted.has(outcome.status) || outcome.generation >= generation || !tally.counts(outcome)) continue;
    // One that was published before a crash and not yet said to be is published again.
    batch.push(outcome);
    if (batch.length >= batchItems) await publish();
  }
  if (signal.aborted) return;
  if (batch.length > 0) await publish();
  await log.update(name, (present) =>
    present.generation !== generation
      ? undefined
      : { ...present, requeue: [], requeued: tally.requeuedIn(generation), updatedAt: now().toISOString() },
  );
}
