/** Cancelling: items that nobody has begun get the outcome `dropped`, so that the manifest has a line for every item listed. */
import type { JobRecord } from "../../shared/jobs/job.js";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";
import type { JobLog, TakenItem } from "./job-log.js";
import type { Tally } from "./tally.js";

/** Items dropped at a time. */
const batchItems = 256;

/** How long the queue is waited for: items in other hands may come back to it. */
const waitMilliseconds = 1000;

/** What dropping needs. */
export interface Dropping {
  readonly log: JobLog;
  readonly job: JobRecord;
  readonly tally: Tally;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Whether every item has an outcome. */
  readonly ended: () => boolean;
}

/** The outcome of an item that was not begun. */
export const droppedOutcome = (
  { index, generation, key }: Pick<ItemOutcome, "index" | "generation" | "key">,
  deliveries: number,
  at: string,
): ItemOutcome => ({
  index,
  generation,
  key,
  status: "dropped",
  output: null,
  sha256: null,
  errors: [],
  deliveries,
  worker: null,
  plan: null,
  rounds: null,
  evaluations: null,
  residual: null,
  consistency: null,
  psnr: null,
  ssim: null,
  seconds: 0,
  at,
});

/** Gives items in hand the outcome `dropped`, unless they have one, and settles them. @throws RetryableError */
export async function dropTaken(
  taken: readonly TakenItem[],
  name: string,
  { log, tally, now }: Pick<Dropping, "log" | "tally" | "now">,
): Promise<void> {
  await Promise.all(
    taken.map(async (one) => {
      const { item, delivery } = one;
      if (!tally.has(item.index, item.generation)) {
        const outcome = droppedOutcome(item, delivery - 1, now().toISOString());
        await log.record(name, outcome);
        tally.apply(outcome);
      }
      await one.settle();
    }),
  );
}

/**
 * Drops what is in the queue, and what comes back to it, until every item has an outcome or the signal aborts.
 * @throws RetryableError if the log is unreachable
 */
export async function dropItems({ log, job, tally, signal, now, ended }: Dropping): Promise<void> {
  const { name } = job.spec;
  while (!signal.aborted && !ended()) {
    const taken = await log.take(name, batchItems, { waitMilliseconds, signal });
    await dropTaken(taken, name, { log, tally, now });
  }
}
