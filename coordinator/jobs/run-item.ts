/**
 * One delivery of an item, to its outcome or back into the queue.
 *
 * Invariants:
 * 1. An item is settled after its outcome is durable, and an outcome is recorded after its output is visible: whoever dies in
 *    between leaves an item that comes again, whose output is then written again with the same bytes.
 * 2. What ails a store is no fault of the item: its delivery waits until the job goes on, and holds no worker meanwhile. Unless a
 *    store refuses this item again and again, and can be used each time: then it is the item's object that cannot be used.
 * 3. Errors of deliveries are noted in the log of outcomes, so that whichever coordinator gives the item up knows all of them;
 *    so are deliveries that ended because a worker or a coordinator was told to stop, which count as no tries of the item.
 */
import { crashPoint } from "../../shared/crash-point.js";
import {
  DeqfleetError,
  InputError,
  PictureError,
  RetryableError,
  ReturnedError,
} from "../../shared/errors.js";
import type { JobState } from "../../shared/jobs/job.js";
import type {
  ChainCourse,
  ItemOutcome,
  NotedStatus,
  OutcomeStatus,
  WorkItem,
} from "../../shared/jobs/work-item.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { backoff, insist } from "./insist.js";
import type { JobLog, TakenItem } from "./job-log.js";
import { StoreRefusals } from "./store-refusals.js";
import type { Tally } from "./tally.js";

/** Milliseconds before an item whose delivery failed is given out again: doubling from the shortest to the longest. */
export interface RetryTimes {
  readonly shortest: number;
  readonly longest: number;
}

/** Before a returned item is given out again: until then other coordinators have read that it was returned. */
const noteMilliseconds = 250;

const usualRetryTimes: RetryTimes = { shortest: 1000, longest: 60_000 };

/** What is known of a restored picture; see {@link ItemOutcome}. */
export interface RestoredItem {
  readonly output: string;
  readonly sha256: string;
  readonly worker: string;
  readonly plan: string;
  readonly rounds: number | null;
  readonly evaluations: number | null;
  readonly residual: number | null;
  readonly consistency: number | null;
  readonly psnr: number | null;
  readonly ssim: number | null;
  /** Default: since the delivery. */
  readonly seconds?: number;
  readonly inputSha256?: string;
  readonly course?: ChainCourse;
}

/** The reason of an item's signal when the job stopped being active before a worker had begun the item. */
export class ItemWithdrawn extends RetryableError {}

/** How an item is to be restored. */
export interface Restoring {
  /** Whether it gets a worker for itself: it may have brought down those it ran on before. */
  readonly alone: boolean;
  /** A worker has begun it. */
  readonly onBegin: (worker: string) => void;
  /** A round of its chain has ended. */
  readonly onRound: (round: number, largestRatio: number) => void;
}

/**
 * Restores an item: when this resolves its output is visible and durable.
 * @throws PictureError if it cannot be restored, StoreUnavailableError if no item could be at present, RetryableError if it
 *   may be elsewhere or later
 */
export type RestoreItem = (
  item: WorkItem,
  how: Restoring & { readonly signal: AbortSignal },
) => Promise<RestoredItem>;

/** Restores the items of one job. */
export interface JobRestoration {
  readonly restore: RestoreItem;
  /** Whether an item takes all workers for itself. */
  cut(): boolean;
}

/** The job of an item, as it is while the item is in hand. */
export interface ItemContext {
  readonly job: string;
  readonly maxDeliveries: number;
  readonly log: Pick<JobLog, "record" | "bury">;
  readonly tally: Tally;
  /** Default: a second to a minute. */
  readonly retryTimes?: RetryTimes | undefined;
  /** @throws also {@link ItemWithdrawn} */
  readonly restore: (item: WorkItem, how: Restoring) => Promise<RestoredItem>;
  /** Aborts when this coordinator is to end: what it has in hand is given back. */
  readonly signal: AbortSignal;
  /** Hears of every error of the log after which it is tried again. */
  readonly trouble: (error: unknown) => void;
  readonly now: () => Date;
  /** Waits while the job is paused. @returns its state then @throws the signal's reason */
  proceed(): Promise<JobState>;
  /** Pauses the job for a reason that all its items share. It goes on when its stores can be used again. */
  pause(reason: string): Promise<void>;
  /** @throws StoreUnavailableError if the job's stores cannot be used from here at present */
  check(): Promise<void>;
  /** Its progress: begun on a worker, waiting for one again, rounds, over. */
  readonly onBegin: (worker: string) => void;
  readonly onWait: () => void;
  readonly onRound: (round: number, largestRatio: number) => void;
  readonly onOutcome: (outcome: ItemOutcome) => void;
}

const nothingRestored = {
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
};

/** One line for the log of outcomes. */
type Ending = Pick<ItemOutcome, "errors"> & {
  readonly status: OutcomeStatus | NotedStatus;
} & Partial<RestoredItem>;

/** Runs a delivery. Rejects with RetryableError if the log is unreachable until the signal aborts: then it comes again. */
export async function runItem(taken: TakenItem, context: ItemContext): Promise<void> {
  crashPoint("after-take");
  const { item, delivery } = taken;
  const { job, log, tally, signal, now, maxDeliveries } = context;
  const { shortest, longest } = context.retryTimes ?? usualRetryTimes;
  const started = now();

  const record = async (ending: Ending): Promise<void> => {
    const at = now();
    const outcome: ItemOutcome = {
      index: item.index,
      generation: item.generation,
      key: item.key,
      ...nothingRestored,
      ...ending,
      deliveries: delivery,
      seconds: ending.seconds ?? Math.max(0, (at.getTime() - started.getTime()) / 1000),
      at: at.toISOString(),
    };
    await insist(() => log.record(job, outcome), context);
    const noted = ending.status === "retried" || ending.status === "returned";
    if (tally.apply(outcome) || noted) context.onOutcome(outcome);
  };
  const settle = async (): Promise<void> => {
    crashPoint("before-settle");
    await insist(() => taken.settle(), context);
  };
  const end = async (ending: Ending): Promise<void> => {
    // Whoever else had it may have been quicker.
    if (!tally.has(item.index, item.generation)) {
      await record(ending);
      crashPoint("after-outcome-recorded");
    }
    await settle();
  };
  const giveUp = async (errors: readonly string[]): Promise<void> => {
    const letter = { item, errors, at: now().toISOString() };
    await insist(() => log.bury(job, letter), context);
    await end({ status: "dead", errors: [...errors] });
  };

  const refusals = new StoreRefusals({ check: context.check, restored: () => tally.byStatus.done });
  for (;;) {
    if (tally.has(item.index, item.generation)) return settle();
    const errors = tally.errorsOf(item.index, item.generation);
    const tries = delivery - tally.returnedBefore(item.index, item.generation, delivery);
    if (tries > maxDeliveries) {
      const silent = `given out ${tries - 1} times without an end: whoever had it died or was stopped`;
      return giveUp(errors.length > 0 ? errors : [silent]);
    }
    let restored: RestoredItem;
    let worker: string | undefined;
    try {
      if ((await context.proceed()) === "cancelled")
        return await end({ status: "dropped", errors: [...errors] });
      const { onRound } = context;
      const onBegin = (name: string) => {
        worker = name;
        context.onBegin(name);
      };
      const alone = tries > 1 && tries === maxDeliveries;
      restored = await context.restore(item, { alone, onBegin, onRound });
    } catch (error) {
      if (signal.aborted || error instanceof ReturnedError) {
        const noted = record({ status: "returned", errors: [...errors] });
        // Who stops gives it back though that cannot be written any more: the delivery counts as a try then.
        await (signal.aborted ? noted.catch(() => {}) : noted);
        return taken.giveBack(noteMilliseconds);
      }
      const message = DeqfleetError.messageOf(error);
      if (error instanceof ItemWithdrawn || error instanceof StoreUnavailableError) {
        if (error instanceof StoreUnavailableError && (await refusals.note(error, worker))) {
          const told = `${item.key} was refused ${refusals.count} times by a store that can be used (${message}); mend it, then: deqfleet retry ${job} --failed`;
          return end({ status: "failed", errors: [...errors, told] });
        }
        context.onWait();
        if (error instanceof StoreUnavailableError) await context.pause(message);
        continue;
      }
      const all = [...errors, message];
      // Another worker would come to the same end.
      if (error instanceof PictureError || error instanceof InputError) {
        return end({ status: "failed", errors: all });
      }
      if (tries >= maxDeliveries) return giveUp(all);
      await record({ status: "retried", errors: all });
      return taken.giveBack(backoff(tries, shortest, longest));
    }
    crashPoint("after-output-written");
    return end({ status: "done", errors: [...errors], ...restored });
  }
}
