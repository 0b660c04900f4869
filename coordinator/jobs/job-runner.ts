/**
 * One job on one coordinator: it keeps the tally, gives the dispatcher the job while it is active, and does what one
 * coordinator at a time has to do for it.
 *
 * Invariant: what the job is to be is in its record alone; every coordinator follows that. What this coordinator decides (paused,
 * going on, finished) it writes there and then follows like the others.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DeqfleetError, RetryableError } from "../../shared/errors.js";
import type { JobRecord, JobSpec } from "../../shared/jobs/job.js";
import { withSpan } from "../../shared/telemetry/tracing.js";
import type { WorkerPool } from "../fleet/worker-pool.js";
import type { Dispatch } from "./dispatch.js";
import { followOutcomes, replayOutcomes } from "./follow-outcomes.js";
import { FollowedJob } from "./followed-job.js";
import { backoff, insist } from "./insist.js";
import { ItemsInHand, type RunningItem } from "./items-in-hand.js";
import type { JobEvent } from "./job-event.js";
import { holdMilliseconds, keepJob } from "./job-keeping.js";
import type { JobLog } from "./job-log.js";
import type { JobStores } from "./job-stores.js";
import type { JobRestoration } from "./run-item.js";
import { StorePauses } from "./store-pauses.js";
import type { Tally } from "./tally.js";
import type { Troubles } from "./troubles.js";

/** A job that fails at once is begun again at intervals that grow up to this. */
const longestFailureMilliseconds = 60_000;

/** What a runner needs. */
export interface JobRunnerParts {
  readonly log: JobLog;
  readonly pool: WorkerPool;
  readonly dispatch: Dispatch;
  readonly openStores: (spec: JobSpec) => Promise<JobStores>;
  readonly restoration: (job: JobRecord, stores: JobStores, pending: () => number) => JobRestoration;
  readonly now: () => Date;
  readonly onEvent: (event: JobEvent) => void;
  readonly troubles: Troubles;
}

/** Follows one job until it is finished, or closed. */
export class JobRunner {
  readonly #parts: JobRunnerParts;
  readonly #stop = new AbortController();
  readonly #job: FollowedJob;
  readonly #pauses: StorePauses;
  readonly #items: ItemsInHand;
  /** Since it was last kept. */
  #failures = 0;
  #dispatched = false;
  #restoration: JobRestoration | undefined;
  #trouble: string | null = null;
  #ready: Promise<void>;
  #endWait: (ready: Promise<void>) => void = () => {};

  constructor(job: JobRecord, parts: JobRunnerParts) {
    this.#ready = new Promise((resolve) => {
      this.#endWait = resolve;
    });
    // Nobody may wait.
    this.#ready.catch(() => {});
    this.#parts = parts;
    const { log, now, onEvent, troubles } = parts;
    const follow = () => this.#follow();
    this.#job = new FollowedJob(job, { log, now, onEvent, troubles, signal: this.#stop.signal, follow });
    this.#pauses = new StorePauses(this.#job);
    this.#items = new ItemsInHand(this.#job, { log, now, onEvent, pauses: this.#pauses });
  }

  get job(): JobRecord {
    return this.#job.record;
  }

  get tally(): Tally {
    return this.#job.tally;
  }

  /** Items at work on this coordinator. */
  get running(): readonly RunningItem[] {
    return this.#items.running;
  }

  /** Items listed that have no outcome yet. */
  get pending(): number {
    return this.#job.pending;
  }

  /** Called after every change of the record, the tally, or what is running. @returns unsubscribes */
  onChange(listener: () => void): () => void {
    return this.#job.onChange(listener);
  }

  /**
   * Resolves when the tally holds all that the log held at first. Rejects if the log could not be read when that was last tried:
   * it is tried again, and what this getter gives is then another promise.
   */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Why nothing is done for the job until that is tried again; null otherwise. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Follows the job until it is at its end, or {@link stop} is called. Never rejects; must be called once. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!this.#job.over && !signal.aborted) {
      try {
        await this.#run();
      } catch (error) {
        if (signal.aborted) break;
        this.#trouble = DeqfleetError.messageOf(error);
        this.#job.trouble(error);
        this.#job.announce();
        const milliseconds = backoff(++this.#failures, holdMilliseconds, longestFailureMilliseconds);
        await delay(milliseconds, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** The record changed. */
  changed(job: JobRecord): void {
    this.#job.changed(job);
  }

  /** Nothing more is begun. @param reason for whoever has an item in hand or waits */
  stop(reason = new RetryableError("the coordinator stops")): void {
    this.#stop.abort(reason);
    this.#items.stop(reason);
    this.#parts.dispatch.remove(this.#job.name);
    this.#job.announce();
  }

  async #run(): Promise<void> {
    const { log, openStores, restoration, dispatch, now } = this.#parts;
    const job = this.#job;
    const { signal } = this.#stop;
    await this.#readLog();
    const stores = await this.#pauses.open(() => openStores(job.record.spec));
    const ending = new AbortController();
    const kept = AbortSignal.any([signal, ending.signal]);
    const trouble = (error: unknown) => job.trouble(error);
    // A job whose outcomes cannot be read on is not kept on either: its tally would stand still.
    const followed = followOutcomes(log, job.name, job.tally, { signal: kept, trouble }, () =>
      job.announce(),
    ).catch((error) => {
      ending.abort(error);
      job.announce();
    });
    const sweeping = this.#sweep(stores);
    try {
      if (stores) this.#restoration = restoration(job.record, stores, () => job.pending);
      this.#failures = 0;
      this.#trouble = null;
      this.#follow();
      await keepJob(job, { log, stores, pauses: this.#pauses, now, signal: kept });
    } finally {
      ending.abort();
      this.#restoration = undefined;
      this.#dispatched = false;
      dispatch.remove(job.name);
      await followed;
      await this.#items.ended();
      await sweeping;
      if (job.over) await this.#sweep(stores);
      await stores?.close();
    }
  }

  async #readLog(): Promise<void> {
    const { log } = this.#parts;
    const job = this.#job;
    const ready = replayOutcomes(log, job.name, job).then((tally) => {
      job.tally = tally;
    });
    await Promise.allSettled([ready]);
    this.#endWait(ready);
    this.#ready = ready;
    await ready;
    // Whoever takes items from a queue that cannot be opened only sees that there are none.
    await insist(() => log.backlog(job.name), job);
  }

  /** Removes what killed writers left in the output: before the job and after it. */
  async #sweep(stores: JobStores | undefined): Promise<void> {
    try {
      await stores?.output.sweep?.({ signal: this.#stop.signal });
    } catch (error) {
      this.#job.trouble(error);
    }
  }

  /** Does what the record asks for. */
  #follow(): void {
    const { dispatch } = this.#parts;
    const { spec, state } = this.#job.record;
    const restoration = this.#restoration;
    if (!restoration || this.#stop.signal.aborted) return;
    if (state === "active" && !this.#dispatched) {
      this.#dispatched = true;
      dispatch.add({
        ...spec,
        trouble: (error) => this.#job.trouble(error),
        mostWaiting: () => (restoration.cut() ? 1 : Number.POSITIVE_INFINITY),
        run: (taken, standing) => {
          const { item, delivery } = taken;
          const ids = {
            "deqfleet.job": spec.name,
            "deqfleet.picture": item.key,
            "deqfleet.delivery": delivery,
          };
          return withSpan("item", ids, () => this.#items.run(taken, restoration.restore, standing));
        },
      });
    } else if (state !== "active" && this.#dispatched) {
      this.#dispatched = false;
      dispatch.remove(spec.name);
    }
    if (state !== "active") this.#items.withdraw();
    if (state === "paused") void this.#pauses.probe();
  }
}
