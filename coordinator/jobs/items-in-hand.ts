/** The items of a job that this coordinator has taken and that have neither an outcome nor been given back. */
import { RetryableError, ReturnedError } from "../../shared/errors.js";
import type { JobState } from "../../shared/jobs/job.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import type { ItemStanding } from "./dispatch.js";
import type { FollowedJob } from "./followed-job.js";
import type { JobEvent } from "./job-event.js";
import type { JobLog, TakenItem } from "./job-log.js";
import { ItemWithdrawn, type RestoreItem, runItem } from "./run-item.js";
import type { StorePauses } from "./store-pauses.js";

/** What is known of an item at work on this coordinator. */
export interface RunningItem {
  readonly index: number;
  readonly key: string;
  readonly delivery: number;
  /** ISO 8601. */
  readonly since: string;
  /** null while it waits for a worker. */
  worker: string | null;
  /** null for whole chains, and before the first. */
  round: number | null;
  /** Largest residual of the last round by its tolerance. */
  residual: number | null;
}

/** What running them takes. */
export interface ItemsInHandParts {
  readonly log: JobLog;
  readonly now: () => Date;
  readonly onEvent: (event: JobEvent) => void;
  readonly pauses: StorePauses;
}

export class ItemsInHand {
  readonly #job: FollowedJob;
  readonly #parts: ItemsInHandParts;
  readonly #running = new Map<
    TakenItem,
    { readonly item: RunningItem; readonly withdraw: AbortController }
  >();

  constructor(job: FollowedJob, parts: ItemsInHandParts) {
    this.#job = job;
    this.#parts = parts;
  }

  get running(): readonly RunningItem[] {
    return [...this.#running.values()].map(({ item }) => item);
  }

  /** Waits until there is none. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await this.#job.nextChange();
  }

  /** The coordinator stops: none waits or works any longer. */
  stop(reason: Error): void {
    for (const { withdraw } of this.#running.values()) withdraw.abort(reason);
  }

  /** Those that wait for a worker wait no longer. */
  withdraw(): void {
    for (const { item, withdraw } of this.#running.values()) {
      if (item.worker === null) withdraw.abort(new ItemWithdrawn("the job is not active any more"));
    }
  }

  /** Brings an item to its outcome, or gives it back. Does not reject. @param standing is told of workers that begin it */
  async run(taken: TakenItem, restore: RestoreItem, standing: ItemStanding): Promise<void> {
    const { log, now, onEvent, pauses } = this.#parts;
    const job = this.#job;
    const { item, delivery } = taken;
    const running: RunningItem = {
      index: item.index,
      key: item.key,
      delivery,
      since: now().toISOString(),
      worker: null,
      round: null,
      residual: null,
    };
    this.#running.set(taken, { item: running, withdraw: new AbortController() });
    job.announce();
    try {
      await runItem(taken, {
        job: job.name,
        maxDeliveries: job.record.spec.maxDeliveries,
        log,
        tally: job.tally,
        restore: async (item, how) => {
          // Whatever is begun from here on hears of it.
          job.signal.throwIfAborted();
          if (job.record.state !== "active") throw new ItemWithdrawn("the job is not active any more");
          // The last one may have been withdrawn, when the job was paused.
          const withdraw = new AbortController();
          this.#running.set(taken, { item: running, withdraw });
          try {
            return await restore(item, { ...how, signal: withdraw.signal });
          } catch (error) {
            // A worker cannot know whether others can use a store that it cannot: if this coordinator cannot either, it is no fault of
            // the item.
            const told =
              error instanceof StoreUnavailableError ||
              error instanceof ReturnedError ||
              !(error instanceof RetryableError);
            if (!told && !withdraw.signal.aborted && !job.signal.aborted) await pauses.check();
            throw error;
          }
        },
        signal: job.signal,
        trouble: (error) => job.trouble(error),
        now,
        proceed: () => this.#proceed(),
        pause: (reason) => pauses.pause(reason),
        check: async () => {
          await pauses.check();
          // It was the item: the next pause, for another one, begins with short intervals again.
          pauses.worked();
        },
        onBegin: (worker) => {
          running.worker = worker;
          onEvent({ event: "item-begun", job: job.record, item: running });
          standing.begin();
          job.announce();
        },
        onWait: () => {
          running.worker = null;
          standing.wait();
          job.announce();
        },
        onRound: (round, residual) => {
          running.round = round;
          running.residual = residual;
          onEvent({ event: "item-round", job: job.record, item: running });
          job.announce();
        },
        onOutcome: (outcome) => {
          if (outcome.status === "done") pauses.worked();
          onEvent({ event: "item-outcome", job: job.record, outcome });
        },
      });
    } catch (error) {
      // The log cannot be reached or written: the item was not settled, and comes again.
      job.trouble(error);
    } finally {
      this.#running.delete(taken);
      job.announce();
    }
  }

  async #proceed(): Promise<JobState> {
    while (this.#job.record.state === "paused") await this.#job.change(this.#job.changes);
    return this.#job.record.state;
  }
}
