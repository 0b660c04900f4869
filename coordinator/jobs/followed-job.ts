/** A job as one coordinator knows it: its record, the tally of its outcomes, and whoever waits for a change of either. */
import type { JobRecord } from "../../shared/jobs/job.js";
import { insist } from "./insist.js";
import type { JobEvent } from "./job-event.js";
import type { JobLog } from "./job-log.js";
import { Tally } from "./tally.js";
import type { Troubles } from "./troubles.js";

/** What following takes. */
export interface FollowedJobParts {
  readonly log: JobLog;
  readonly now: () => Date;
  readonly onEvent: (event: JobEvent) => void;
  readonly troubles: Troubles;
  /** Aborts when the coordinator is done with the job. */
  readonly signal: AbortSignal;
  /** Does what a new record asks for. */
  readonly follow: () => void;
}

export class FollowedJob {
  readonly #parts: FollowedJobParts;
  readonly #listeners = new Set<() => void>();
  #wakes: (() => void)[] = [];
  #changes = 0;
  #record: JobRecord;
  tally = new Tally();

  constructor(record: JobRecord, parts: FollowedJobParts) {
    this.#record = record;
    this.#parts = parts;
  }

  get record(): JobRecord {
    return this.#record;
  }

  get name(): string {
    return this.#record.spec.name;
  }

  get signal(): AbortSignal {
    return this.#parts.signal;
  }

  /** Whether it is at its end. */
  get over(): boolean {
    return this.#record.finishedAt !== null;
  }

  /** Items listed that have no outcome yet. */
  get pending(): number {
    return Math.max(0, this.#record.listed - this.tally.ended);
  }

  /** Changes so far, so that whoever waits for the next misses none. */
  get changes(): number {
    return this.#changes;
  }

  /** Called after every change of the record, the tally, or what is running. @returns unsubscribes */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  announce(): void {
    this.#changes++;
    for (const wake of this.#wakes.splice(0)) wake();
    for (const listener of this.#listeners) listener();
  }

  /** Waits for the next change, whatever has ended meanwhile. */
  nextChange(): Promise<void> {
    return new Promise((resolve) => this.#wakes.push(resolve));
  }

  /** Waits for a change after those seen. @throws the signal's reason */
  async change(seen: number): Promise<void> {
    this.signal.throwIfAborted();
    if (this.#changes === seen) await this.nextChange();
    this.signal.throwIfAborted();
  }

  /** The record changed. */
  changed(record: JobRecord): void {
    const before = this.#record;
    this.#record = record;
    if (before.state !== record.state) this.#parts.onEvent({ event: "job-changed", job: record });
    this.#parts.follow();
    this.announce();
  }

  /** Changes the record, and follows that at once. @param change gets the moment as ISO 8601, too */
  async update(change: (job: JobRecord, at: string) => JobRecord | undefined): Promise<void> {
    const { log, now } = this.#parts;
    const at = now().toISOString();
    const job = await insist(() => log.update(this.name, (record) => change(record, at)), this);
    this.changed(job);
  }

  /** Tells of something that failed, or that is not as its user may think. */
  trouble(error: unknown): void {
    if (!this.signal.aborted) this.#parts.troubles.tell(this.#record, error);
  }
}
