/**
 * One job on one coordinator: it keeps the tally, gives the dispatcher the job while it is active, and does what one
 * coordinator at a time has to do for it (listing, publishing again what is retried, dropping what was cancelled).
 *
 * Invariants:
 * 1. What the job is to be is in its record alone; every coordinator follows that. What this coordinator decides (paused, going
 *    on, finished) it writes there and then follows like the others.
 * 2. A job finishes when its listing is complete, nothing is to be requeued, and every item has an outcome; one that was
 *    cancelled is at its end when every item has one.
 * 3. A paused job is tried again by every coordinator, at growing intervals, until its stores answer.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DeqfleetError, InputError, RetryableError } from "../../shared/errors.js";
import type { JobRecord, JobSpec, JobState } from "../../shared/jobs/job.js";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import type { WorkerPool } from "../fleet/worker-pool.js";
import type { Dispatch } from "./dispatch.js";
import { dropItems } from "./drop-items.js";
import { followOutcomes, replayOutcomes } from "./follow-outcomes.js";
import { backoff, insist } from "./insist.js";
import type { JobLog, TakenItem } from "./job-log.js";
import type { JobStores } from "./job-stores.js";
import { requeueItems } from "./requeue.js";
import { ItemWithdrawn, type RestoreItem, runItem } from "./run-item.js";
import { submitItems } from "./submission.js";
import { Tally } from "./tally.js";

/** Between two probes of a paused job: a second at first, doubling up to a minute. */
const shortestProbeMilliseconds = 1000;
const longestProbeMilliseconds = 60_000;

/** Before another coordinator's hold is asked for again. */
const holdMilliseconds = 2000;

/** Restores the items of one job. */
export interface JobRestoration {
  readonly restore: RestoreItem;
  /** Whether an item takes all workers for itself. */
  cut(): boolean;
}

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

/** What happens to jobs, for logs and metrics. */
export type JobEvent =
  | { readonly event: "job-changed"; readonly job: JobRecord }
  /** Something failed that is tried again. */
  | { readonly event: "job-trouble"; readonly job: JobRecord; readonly message: string }
  | { readonly event: "item-outcome"; readonly job: JobRecord; readonly outcome: ItemOutcome };

/** What a runner needs. */
export interface JobRunnerParts {
  readonly log: JobLog;
  readonly pool: WorkerPool;
  readonly dispatch: Dispatch;
  readonly openStores: (spec: JobSpec) => Promise<JobStores>;
  readonly restoration: (job: JobRecord, stores: JobStores, pending: () => number) => JobRestoration;
  readonly now: () => Date;
  readonly onEvent: (event: JobEvent) => void;
}

/** Follows one job until it is finished, or closed. */
export class JobRunner {
  readonly #parts: JobRunnerParts;
  readonly #stop = new AbortController();
  readonly #running = new Map<
    TakenItem,
    { readonly item: RunningItem; readonly withdraw: AbortController }
  >();
  #job: JobRecord;
  #tally = new Tally();
  readonly #listeners = new Set<() => void>();
  #wakes: (() => void)[] = [];
  /** Changes so far, so that whoever waits for the next misses none. */
  #changes = 0;
  #probing = false;
  /** Probes since an item was done. */
  #probes = 0;
  #dispatched = false;
  #stores: JobStores | undefined;
  #restoration: JobRestoration | undefined;
  readonly #ready: Promise<void>;
  #setReady: () => void = () => {};

  constructor(job: JobRecord, parts: JobRunnerParts) {
    this.#ready = new Promise((resolve) => {
      this.#setReady = resolve;
    });
    this.#job = job;
    this.#parts = parts;
  }

  get job(): JobRecord {
    return this.#job;
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** Items at work on this coordinator. */
  get running(): readonly RunningItem[] {
    return [...this.#running.values()].map(({ item }) => item);
  }

  /** Items listed that have no outcome yet. */
  get pending(): number {
    return Math.max(0, this.#job.listed - this.#tally.ended);
  }

  /** Called after every change of the record, the tally, or what is running. @returns unsubscribes */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the tally holds all that the log held at first, or the runner was stopped. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Follows the job until it is at its end, or {@link stop} is called. Never rejects; must be called once. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!this.#over && !signal.aborted) {
      try {
        await this.#run();
      } catch (error) {
        if (signal.aborted) break;
        this.#trouble(error);
        await delay(holdMilliseconds, undefined, { signal }).catch(() => {});
      }
    }
    this.#setReady();
  }

  /** The record changed. */
  changed(job: JobRecord): void {
    const before = this.#job;
    this.#job = job;
    if (before.state !== job.state) this.#parts.onEvent({ event: "job-changed", job });
    this.#follow();
    this.#announce();
  }

  /** Nothing more is begun. */
  stop(): void {
    const reason = new RetryableError("the coordinator stops");
    this.#stop.abort(reason);
    for (const { withdraw } of this.#running.values()) withdraw.abort(reason);
    this.#parts.dispatch.remove(this.#job.spec.name);
    this.#announce();
  }

  #announce(): void {
    this.#changes++;
    for (const wake of this.#wakes.splice(0)) wake();
    for (const listener of this.#listeners) listener();
  }

  /** Waits for a change after those seen. @throws the signal's reason */
  async #change(seen: number): Promise<void> {
    this.#stop.signal.throwIfAborted();
    if (this.#changes === seen) await new Promise<void>((resolve) => this.#wakes.push(resolve));
    this.#stop.signal.throwIfAborted();
  }

  get #over(): boolean {
    return this.#job.finishedAt !== null;
  }

  async #run(): Promise<void> {
    const { log, openStores } = this.#parts;
    const { name } = this.#job.spec;
    const { signal } = this.#stop;
    this.#tally = await replayOutcomes(log, name, signal);
    this.#setReady();
    const stores = await this.#open(() => openStores(this.#job.spec));
    const following = new AbortController();
    const followed = followOutcomes(log, name, this.#tally, AbortSignal.any([signal, following.signal]), () =>
      this.#announce(),
    );
    try {
      this.#restoration = this.#parts.restoration(this.#job, stores, () => this.pending);
      this.#stores = stores;
      this.#follow();
      await this.#keep(stores);
    } finally {
      following.abort();
      this.#restoration = undefined;
      this.#dispatched = false;
      this.#parts.dispatch.remove(name);
      await followed;
      while (this.#running.size > 0) await new Promise<void>((resolve) => this.#wakes.push(resolve));
      await stores.close();
    }
  }

  /** Opens the stores, however long that takes. */
  async #open(open: () => Promise<JobStores>): Promise<JobStores> {
    for (let attempt = 1; ; attempt++) {
      this.#stop.signal.throwIfAborted();
      try {
        return await open();
      } catch (error) {
        if (this.#job.state === "active") await this.#pause(DeqfleetError.messageOf(error));
        const milliseconds = backoff(attempt, shortestProbeMilliseconds, longestProbeMilliseconds);
        await delay(milliseconds, undefined, { signal: this.#stop.signal });
      }
    }
  }

  /** Does what the record asks for. */
  #follow(): void {
    const { dispatch } = this.#parts;
    const { spec, state } = this.#job;
    const restoration = this.#restoration;
    if (!restoration || this.#stop.signal.aborted) return;
    if (state === "active" && !this.#dispatched) {
      this.#dispatched = true;
      dispatch.add({
        ...spec,
        mostWaiting: () => (restoration.cut() ? 1 : Number.POSITIVE_INFINITY),
        run: (taken, begin) => this.#runItem(taken, restoration.restore, begin),
      });
    } else if (state !== "active" && this.#dispatched) {
      this.#dispatched = false;
      dispatch.remove(spec.name);
    }
    if (state !== "active") this.#withdraw();
    if (state === "paused") void this.#probe();
  }

  /** Items that wait for a worker wait no longer. */
  #withdraw(): void {
    for (const { item, withdraw } of this.#running.values()) {
      if (item.worker === null) withdraw.abort(new ItemWithdrawn("the job is not active any more"));
    }
  }

  async #runItem(taken: TakenItem, restore: RestoreItem, begin: () => void): Promise<void> {
    const { log, now, onEvent } = this.#parts;
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
    this.#announce();
    try {
      await runItem(taken, {
        job: this.#job.spec.name,
        maxDeliveries: this.#job.spec.maxDeliveries,
        log,
        tally: this.#tally,
        restore: async (item, how) => {
          // Whatever is begun from here on hears of it.
          this.#stop.signal.throwIfAborted();
          if (this.#job.state !== "active") throw new ItemWithdrawn("the job is not active any more");
          // The last one may have been withdrawn, when the job was paused.
          const withdraw = new AbortController();
          running.worker = null;
          this.#running.set(taken, { item: running, withdraw });
          return restore(item, { ...how, signal: withdraw.signal });
        },
        signal: this.#stop.signal,
        now,
        proceed: () => this.#proceed(),
        pause: (reason) => this.#pause(reason),
        onBegin: (worker) => {
          running.worker = worker;
          begin();
          this.#announce();
        },
        onRound: (round, residual) => {
          running.round = round;
          running.residual = residual;
          this.#announce();
        },
        onOutcome: (outcome) => {
          if (outcome.status === "done") this.#probes = 0;
          onEvent({ event: "item-outcome", job: this.#job, outcome });
        },
      });
    } catch (error) {
      // The log cannot be reached or written: the item was not settled, and comes again.
      this.#trouble(error);
    } finally {
      this.#running.delete(taken);
      this.#announce();
    }
  }

  #trouble(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#parts.onEvent({ event: "job-trouble", job: this.#job, message: DeqfleetError.messageOf(error) });
  }

  async #proceed(): Promise<JobState> {
    while (this.#job.state === "paused") await this.#change(this.#changes);
    return this.#job.state;
  }

  #now(): string {
    return this.#parts.now().toISOString();
  }

  /** Changes the record, and follows that at once. */
  async #update(change: (job: JobRecord) => JobRecord | undefined): Promise<JobRecord> {
    const job = await insist(() => this.#parts.log.update(this.#job.spec.name, change), this.#stop.signal);
    this.changed(job);
    return job;
  }

  async #pause(reason: string): Promise<void> {
    await this.#update((job) =>
      job.state !== "active"
        ? undefined
        : { ...job, state: "paused", pausedBecause: reason, updatedAt: this.#now() },
    );
  }

  /** Tries a paused job's stores until they answer. */
  async #probe(): Promise<void> {
    const stores = this.#stores;
    if (this.#probing || !stores) return;
    this.#probing = true;
    try {
      while (this.#job.state === "paused") {
        const milliseconds = backoff(++this.#probes, shortestProbeMilliseconds, longestProbeMilliseconds);
        await delay(milliseconds, undefined, { signal: this.#stop.signal });
        try {
          await probe(stores, this.#stop.signal);
        } catch (error) {
          const reason = DeqfleetError.messageOf(error);
          await this.#update((job) =>
            job.state !== "paused" || job.pausedBecause === reason
              ? undefined
              : { ...job, pausedBecause: reason, updatedAt: this.#now() },
          );
          continue;
        }
        await this.#update((job) =>
          job.state !== "paused"
            ? undefined
            : { ...job, state: "active", pausedBecause: null, updatedAt: this.#now() },
        );
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    } finally {
      this.#probing = false;
    }
  }

  /** Does what one coordinator at a time does, until the job is at its end. */
  async #keep(stores: JobStores): Promise<void> {
    while (!this.#over) {
      const seen = this.#changes;
      if (await this.#finish()) continue;
      if (this.#needsKeeping) await this.#holdAndKeep(stores, seen);
      else await this.#change(seen);
    }
  }

  get #needsKeeping(): boolean {
    const { state, listedAll, requeue } = this.#job;
    return state === "cancelled" || (state === "active" && (!listedAll || requeue.length > 0));
  }

  async #holdAndKeep(stores: JobStores, seen: number): Promise<void> {
    const { log, now } = this.#parts;
    const { name } = this.#job.spec;
    const held = await insist(() => log.hold(name), this.#stop.signal);
    if (!held) {
      await Promise.race([this.#change(seen), delay(holdMilliseconds)]);
      return;
    }
    const ending = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, held.lost, ending.signal]);
    // The state may change under the work that is being done for it.
    const { state } = this.#job;
    const unsubscribe = this.onChange(() => {
      if (this.#job.state !== state) ending.abort();
    });
    try {
      const job = this.#job;
      const { input } = stores;
      const tally = this.#tally;
      if (state === "cancelled") {
        await dropItems({ log, job, tally, signal, now, ended: () => tally.ended >= this.#job.listed });
      } else if (job.requeue.length > 0) await requeueItems({ log, input, job, tally, signal, now });
      else await submitItems({ log, input, job, signal });
    } catch (error) {
      if (signal.aborted) return;
      this.#trouble(error);
      if (state === "cancelled" || !(error instanceof StoreUnavailableError || error instanceof InputError)) {
        await delay(holdMilliseconds, undefined, { signal: this.#stop.signal });
      } else await this.#pause(DeqfleetError.messageOf(error));
    } finally {
      unsubscribe();
      await held.release().catch(() => {});
      const present = await insist(() => log.get(name), this.#stop.signal);
      if (present) this.changed(present);
    }
  }

  /** @returns whether the record changed: the job is at its end, or goes on with what was dropped */
  async #finish(): Promise<boolean> {
    const tally = this.#tally;
    const complete = (job: JobRecord) =>
      tally.ended >= job.listed && tally.requeuedIn(job.generation) >= job.requeued;
    const mayEnd = (job: JobRecord) =>
      job.finishedAt === null &&
      complete(job) &&
      (job.state === "cancelled" || (job.state === "active" && job.listedAll && job.requeue.length === 0));
    if (!mayEnd(this.#job)) return false;
    const at = this.#now();
    await this.#update((job) => {
      if (!mayEnd(job)) return undefined;
      const { dropped } = tally.byStatus;
      // Resumed after it was cancelled, and some were dropped meanwhile.
      if (job.state === "active" && dropped > 0) {
        return { ...job, generation: job.generation + 1, requeue: ["dropped"], requeued: 0, updatedAt: at };
      }
      const state = job.state === "active" ? "finished" : job.state;
      return { ...job, state, finishedAt: at, updatedAt: at, counts: tally.byStatus };
    });
    return true;
  }
}

/** Resolves if the input can be listed and the output written. */
async function probe({ input, output }: JobStores, signal: AbortSignal): Promise<void> {
  for await (const _ of input.list({ signal })) break;
  await output.probe({ signal });
}
