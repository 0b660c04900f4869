/**
 * From the queues of all jobs to the workers of this coordinator.
 *
 * Invariants:
 * 1. No more items are taken than workers can begin, and one more for each worker, so that none waits for the queue. Several
 *    coordinators with one log share its items by what their workers begin.
 * 2. Which job an item is taken from is decided when a worker is free for it: the highest priority, then by weight. A job
 *    without items costs the others nothing.
 * 3. Whatever was taken is said to be worked on until it is settled or given back.
 * 4. Items that were taken are run to their end even if their job is removed: what then becomes of them is the job's affair.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { WorkerPool } from "../fleet/worker-pool.js";
import { FairShare, type Turn } from "./fair-share.js";
import type { JobLog, TakenItem } from "./job-log.js";

/** Between two words to the log that items are worked on. */
const workingMilliseconds = 5000;

/** How long one question for a job's next item lasts, where there is none. */
const questionMilliseconds = 30_000;

/** Before a queue that could not be reached is asked again. */
const unreachableMilliseconds = 1000;

/** Where an item in hand stands: at first it waits for a worker. */
export interface ItemStanding {
  /** A worker has begun it. */
  begin(): void;
  /** It is still in hand, and waits for a worker again. */
  wait(): void;
}

/** A job that items are drawn for. */
export interface DispatchedJob {
  readonly name: string;
  readonly priority: number;
  readonly weight: number;
  /** SHA-256 of the model its workers must have. */
  readonly model: string;
  /** How many of its items may wait for a worker at a time: 1 where an item takes all workers for itself. */
  mostWaiting(): number;
  /** Hears of every error of the log after which it is asked for items again. */
  trouble(error: unknown): void;
  /**
   * Brings an item to its outcome, or gives it back. Must not reject.
   * @param standing to be told when a worker has begun it, and when it waits again
   */
  run(taken: TakenItem, standing: ItemStanding): Promise<void>;
}

interface Queue {
  readonly job: DispatchedJob;
  /** Items that came in answer to a question. */
  readonly stock: TakenItem[];
  /** Whether its next item is being waited for: there was none. */
  asking: boolean;
  readonly removed: AbortController;
}

/** What a dispatcher needs. */
export interface DispatchOptions {
  readonly log: JobLog;
  readonly pool: WorkerPool;
  /** Seconds since an arbitrary moment. */
  readonly now?: () => number;
}

/** Draws items for the workers of one coordinator. */
export class Dispatch {
  readonly #log: JobLog;
  readonly #pool: WorkerPool;
  readonly #now: () => number;
  readonly #share = new FairShare();
  readonly #queues = new Map<string, Queue>();
  /** Taken, and neither settled nor given back. */
  readonly #inHand = new Set<TakenItem>();
  /** How many of a job's items in hand no worker has begun. A job that was removed and comes back still has them. */
  readonly #waiting = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  #wake: () => void = () => {};
  #woken = false;

  constructor({ log, pool, now = () => performance.now() / 1000 }: DispatchOptions) {
    this.#log = log;
    this.#pool = pool;
    this.#now = now;
  }

  /** From now on items are drawn for the job. */
  add(job: DispatchedJob): void {
    if (this.#queues.has(job.name)) return;
    this.#share.set(job);
    this.#queues.set(job.name, {
      job,
      stock: [],
      asking: false,
      removed: new AbortController(),
    });
    this.#changed();
  }

  /** No further items are drawn for the job; those in hand are run. */
  remove(name: string): void {
    const queue = this.#queues.get(name);
    if (!queue) return;
    this.#queues.delete(name);
    this.#share.delete(name);
    queue.removed.abort();
    for (const taken of queue.stock.splice(0)) this.#run(queue, taken, undefined);
  }

  /** Items in hand. */
  get inHand(): number {
    return this.#inHand.size;
  }

  /** Draws items until the signal aborts, and waits for those in hand to end. Must be called once. */
  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#pool.onChange(() => this.#changed());
    const word = setInterval(() => {
      for (const taken of this.#inHand) taken.working();
    }, workingMilliseconds);
    const onAbort = () => this.#changed();
    signal.addEventListener("abort", onAbort);
    try {
      while (!signal.aborted) {
        this.#woken = false;
        const drawn = await this.#draw(signal);
        if (!drawn && !this.#woken && !signal.aborted) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
      for (const name of [...this.#queues.keys()]) this.remove(name);
      while (this.#running.size > 0) await Promise.all(this.#running);
    } finally {
      signal.removeEventListener("abort", onAbort);
      clearInterval(word);
      unsubscribe();
    }
  }

  #changed(): void {
    this.#woken = true;
    this.#wake();
  }

  /** @returns whether anything was drawn */
  async #draw(signal: AbortSignal): Promise<boolean> {
    const models = new Set([...this.#queues.values()].map(({ job }) => job.model));
    const drawn = await Promise.all([...models].map((model) => this.#drawFor(model, signal)));
    return drawn.some(Boolean);
  }

  #waitingOf({ name }: DispatchedJob): number {
    return this.#waiting.get(name) ?? 0;
  }

  #countWaiting(job: DispatchedJob, change: 1 | -1): void {
    const waiting = this.#waitingOf(job) + change;
    if (waiting > 0) this.#waiting.set(job.name, waiting);
    else this.#waiting.delete(job.name);
  }

  /** Items of a model's jobs that may be taken now. */
  #room(model: string): number {
    const workers = this.#pool
      .members()
      .filter(({ network, state }) => network.hash === model && state === "serving");
    let waiting = 0;
    for (const { job } of this.#queues.values()) if (job.model === model) waiting += this.#waitingOf(job);
    return workers.length === 0 ? 0 : this.#pool.capacity(model) + workers.length - waiting;
  }

  async #drawFor(model: string, signal: AbortSignal): Promise<boolean> {
    const room = this.#room(model);
    if (room <= 0) return false;
    const ready = [...this.#queues.values()].filter(
      ({ job, asking, stock }) =>
        job.model === model && (stock.length > 0 || !asking) && this.#waitingOf(job) < job.mostWaiting(),
    );
    const turns = this.#share.draw(
      ready.map(({ job }) => job.name),
      room,
    );
    const drawn = await Promise.all(
      ready.map((queue) =>
        this.#serve(
          queue,
          turns.filter(({ name }) => name === queue.job.name),
          signal,
        ),
      ),
    );
    return drawn.some(Boolean);
  }

  /** Gives a job its turns. */
  async #serve(queue: Queue, turns: readonly Turn[], signal: AbortSignal): Promise<boolean> {
    if (turns.length === 0) return false;
    const { job, stock, removed } = queue;
    const wanted = Math.min(turns.length, job.mostWaiting() - this.#waitingOf(job));
    const taken = stock.splice(0, wanted);
    if (taken.length < wanted && !queue.asking) {
      const stop = AbortSignal.any([signal, removed.signal]);
      const more = await this.#take(queue, wanted - taken.length, 0, stop);
      taken.push(...more);
      if (taken.length < wanted) void this.#ask(queue, stop);
    }
    for (const [i, turn] of turns.entries()) {
      const item = taken[i];
      if (item) this.#run(queue, item, turn);
      else turn.charge(0);
    }
    return taken.length > 0;
  }

  async #take(
    { job }: Queue,
    max: number,
    waitMilliseconds: number,
    signal: AbortSignal,
  ): Promise<readonly TakenItem[]> {
    try {
      const taken = await this.#log.take(job.name, max, { waitMilliseconds, signal });
      for (const item of taken) this.#inHand.add(item);
      return taken;
    } catch (error) {
      // Whatever the log gave out without our knowing comes again.
      if (!signal.aborted) job.trouble(error);
      await delay(unreachableMilliseconds, undefined, { signal }).catch(() => {});
      return [];
    }
  }

  /** Waits for a job's next item, while there are workers for it. */
  async #ask(queue: Queue, signal: AbortSignal): Promise<void> {
    queue.asking = true;
    // The turns it had no items for are the other jobs': they are drawn anew, without it.
    this.#changed();
    while (!signal.aborted && queue.stock.length === 0 && this.#room(queue.job.model) > 0) {
      const taken = await this.#take(queue, 1, questionMilliseconds, signal);
      if (taken.length === 0) continue;
      if (signal.aborted) for (const item of taken) this.#run(queue, item, undefined);
      else queue.stock.push(...taken);
    }
    this.#share.enter(queue.job.name);
    queue.asking = false;
    this.#changed();
  }

  #run({ job }: Queue, taken: TakenItem, turn: Turn | undefined): void {
    let begun: number | undefined;
    let worked = 0;
    this.#countWaiting(job, 1);
    const begin = () => {
      if (begun !== undefined) return;
      begun = this.#now();
      this.#countWaiting(job, -1);
      this.#changed();
    };
    const wait = () => {
      if (begun === undefined) return;
      worked += this.#now() - begun;
      begun = undefined;
      this.#countWaiting(job, 1);
    };
    const running = job.run(taken, { begin, wait }).finally(() => {
      wait();
      this.#countWaiting(job, -1);
      turn?.charge(worked);
      this.#inHand.delete(taken);
      this.#running.delete(running);
      this.#changed();
    });
    this.#running.add(running);
  }
}
