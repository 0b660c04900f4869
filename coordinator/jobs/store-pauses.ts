/** A job pauses while its stores cannot be used: every coordinator tries them again, at growing intervals, until they answer. */
import { setTimeout as delay } from "node:timers/promises";
import { DeqfleetError } from "../../shared/errors.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import type { FollowedJob } from "./followed-job.js";
import { backoff } from "./insist.js";
import type { JobStores } from "./job-stores.js";

/** Between two probes of a paused job: a second at first, doubling up to a minute. */
const shortestProbeMilliseconds = 1000;
const longestProbeMilliseconds = 60_000;

const probeDelay = (attempt: number): number =>
  backoff(attempt, shortestProbeMilliseconds, longestProbeMilliseconds);

export class StorePauses {
  readonly #job: FollowedJob;
  #probing = false;
  /** Probes since an item was done. */
  #probes = 0;
  #stores: JobStores | undefined;

  constructor(job: FollowedJob) {
    this.#job = job;
  }

  /** An item was done: the stores work. */
  worked(): void {
    this.#probes = 0;
  }

  /**
   * Opens the stores, however long that takes while the job needs them.
   * @returns undefined if they cannot be opened and it does not: it was cancelled, or is at its end
   * @throws the signal's reason, what the log throws
   */
  async open(open: () => Promise<JobStores>): Promise<JobStores | undefined> {
    const job = this.#job;
    // Those of an earlier time are closed.
    this.#stores = undefined;
    for (let attempt = 1; ; attempt++) {
      job.signal.throwIfAborted();
      try {
        this.#stores = await open();
        return this.#stores;
      } catch (error) {
        if (job.record.state === "active") await this.pause(DeqfleetError.messageOf(error));
        await this.#whileNeeded(probeDelay(attempt));
        if (!this.#needed) return undefined;
      }
    }
  }

  get #needed(): boolean {
    return !this.#job.over && this.#job.record.state !== "cancelled";
  }

  /** Waits, but no longer than the job needs its stores. @throws the signal's reason */
  async #whileNeeded(milliseconds: number): Promise<void> {
    const { signal } = this.#job;
    const end = new AbortController();
    const look = () => {
      if (!this.#needed) end.abort();
    };
    const unsubscribe = this.#job.onChange(look);
    look();
    try {
      await delay(milliseconds, undefined, { signal: AbortSignal.any([signal, end.signal]) });
    } catch {
      signal.throwIfAborted();
    } finally {
      unsubscribe();
    }
  }

  async pause(reason: string): Promise<void> {
    await this.#job.update((job, at) =>
      job.state !== "active" ? undefined : { ...job, state: "paused", pausedBecause: reason, updatedAt: at },
    );
  }

  /** @throws StoreUnavailableError if the stores cannot be used from here */
  async check(): Promise<void> {
    if (!this.#stores) return;
    try {
      await probe(this.#stores, this.#job.signal);
    } catch (cause) {
      throw new StoreUnavailableError(DeqfleetError.messageOf(cause), { cause });
    }
  }

  /** Tries a paused job's stores until they answer. Does not reject: what else fails is told and tried again. */
  async probe(): Promise<void> {
    const stores = this.#stores;
    if (this.#probing || !stores) return;
    this.#probing = true;
    const { signal } = this.#job;
    try {
      while (this.#job.record.state === "paused") {
        await delay(probeDelay(++this.#probes), undefined, { signal });
        await this.#goOn(stores).catch((error) => this.#job.trouble(error));
      }
    } catch {
      // Only the wait fails: the coordinator is done with the job.
    } finally {
      this.#probing = false;
    }
  }

  /** Lets a paused job go on if its stores answer; else says why they do not. @throws what the log throws */
  async #goOn(stores: JobStores): Promise<void> {
    try {
      await probe(stores, this.#job.signal);
    } catch (error) {
      const reason = DeqfleetError.messageOf(error);
      await this.#job.update((job, at) =>
        job.state !== "paused" || job.pausedBecause === reason
          ? undefined
          : { ...job, pausedBecause: reason, updatedAt: at },
      );
      return;
    }
    await this.#job.update((job, at) =>
      job.state !== "paused" ? undefined : { ...job, state: "active", pausedBecause: null, updatedAt: at },
    );
  }
}

/** Resolves if the input can be listed and the output written. */
async function probe({ input, output }: JobStores, signal: AbortSignal): Promise<void> {
  for await (const _ of input.list({ signal })) break;
  await output.probe({ signal });
}
