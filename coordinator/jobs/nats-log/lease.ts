/**
 * A name that one process holds: an entry of a bucket whose values have a lifetime. The holder writes it again and again, each
 * time only over its own last write; once it does not (it died, is stopped, or cannot reach the broker) the broker drops the
 * entry and another may take the name.
 */
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { DeqfleetError, RetryableError } from "../../../shared/errors.js";
import type { KeyBucket } from "./key-bucket.js";

/** Of the lifetime: a holder gives itself up before the broker does. */
const renewedAfter = 0.25;
const lostAfter = 0.8;

/** Shows operators who it is. */
const holder = (): string => JSON.stringify({ host: hostname(), pid: process.pid });

export class Lease {
  readonly #bucket: KeyBucket;
  readonly #name: string;
  readonly #lifetimeMilliseconds: number;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();
  readonly #renewing: Promise<void>;
  #revision: number;
  #deadline: NodeJS.Timeout | undefined;

  private constructor(
    bucket: KeyBucket,
    name: string,
    lifetimeMilliseconds: number,
    revision: number,
    askedAt: number,
  ) {
    this.#bucket = bucket;
    this.#name = name;
    this.#lifetimeMilliseconds = lifetimeMilliseconds;
    this.#revision = revision;
    this.#lastUntil(askedAt);
    this.#renewing = this.#renew();
  }

  /**
   * @param lifetimeMilliseconds of the bucket's values
   * @returns undefined if another holds the name
   */
  static async take(
    bucket: KeyBucket,
    name: string,
    lifetimeMilliseconds: number,
  ): Promise<Lease | undefined> {
    const present = await bucket.get(name);
    if (present?.value !== undefined) return undefined;
    const askedAt = performance.now();
    const revision = await bucket.put(name, holder(), present?.revision ?? 0);
    if (revision === undefined) return undefined;
    return new Lease(bucket, name, lifetimeMilliseconds, revision, askedAt);
  }

  /** Aborts when this process loses the name before it releases it. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** A process that was stopped finds this timer due when it goes on. @param askedAt when the last renewal was asked for */
  #lastUntil(askedAt: number): void {
    clearTimeout(this.#deadline);
    const left = askedAt + lostAfter * this.#lifetimeMilliseconds - performance.now();
    this.#deadline = setTimeout(() => this.#lose("it could not be renewed in time"), Math.max(0, left));
    this.#deadline.unref();
  }

  /** Whatever was done under the name may be done again, by whoever holds it then. */
  #lose(reason: string): void {
    this.#lost.abort(new RetryableError(`this process no longer holds ${this.#name}: ${reason}`));
  }

  async #renew(): Promise<void> {
    const interval = renewedAfter * this.#lifetimeMilliseconds;
    const { signal } = this.#released;
    while (!signal.aborted) {
      await delay(interval, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted || this.#lost.signal.aborted) return;
      const askedAt = performance.now();
      try {
        const revision = await this.#bucket.put(this.#name, holder(), this.#revision);
        if (revision === undefined) return this.#lose("another may have taken it");
        this.#revision = revision;
        if (!signal.aborted && !this.#lost.signal.aborted) this.#lastUntil(askedAt);
      } catch (error) {
        // Tried again until the time is over.
        if (!(error instanceof RetryableError)) return this.#lose(DeqfleetError.messageOf(error));
      }
    }
  }

  /** Lets go of the name, for others to take at once. */
  async release(): Promise<void> {
    if (this.#released.signal.aborted || this.#lost.signal.aborted) return;
    this.#released.abort();
    clearTimeout(this.#deadline);
    await this.#renewing;
    await this.#bucket.remove(this.#name, this.#revision);
  }
}
