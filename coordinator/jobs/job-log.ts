/**
 * The durable log of jobs. Two implementations, one conformance suite: files of one machine (`embedded`), and NATS JetStream
 * (`nats`), which several coordinators share.
 *
 * Invariants:
 * 1. Whatever a method resolved for survives the death of this process, and of the broker.
 * 2. An item that was published is taken until it is settled: if whoever took it dies, it is given out again. It may be
 *    given out twice (delivery is at least once).
 * 3. Outcomes are kept in the order in which they were recorded. For an item with several, the one of the highest
 *    generation counts, and the first of those; whoever reads them applies that rule.
 * 4. Every method throws RetryableError where the broker is unreachable; what it was to do may have been done.
 */
import type { JobRecord } from "../../shared/jobs/job.js";
import type { ItemOutcome, WorkItem } from "../../shared/jobs/work-item.js";

/** An item this process has to settle. */
export interface TakenItem {
  readonly item: WorkItem;
  /** 1 for the first time it is given out. */
  readonly delivery: number;
  /** Says that it is still worked on; without it the item is given out again after the log's time to acknowledge. */
  working(): void;
  /** It has an outcome, which is durable: it is not given out again. */
  settle(): Promise<void>;
  /** Gives it back, to be given out again after a while. */
  giveBack(delayMilliseconds: number): Promise<void>;
}

/** An item that was given up, with the errors of its deliveries. */
export interface DeadLetter {
  readonly item: WorkItem;
  readonly errors: readonly string[];
  /** ISO 8601. */
  readonly at: string;
}

/** A job whose record this version cannot read: another one wrote it. */
export interface UnreadableJob {
  readonly name: string;
  /** What is wrong with it, and what can be done. */
  readonly reason: string;
}

/** See the invariants above. */
export interface JobLog {
  readonly kind: "embedded" | "nats";
  /** Adds a job unless there is one of its name. @returns what the log now holds under that name */
  create(job: JobRecord): Promise<{ readonly created: boolean; readonly job: JobRecord }>;
  get(name: string): Promise<JobRecord | undefined>;
  /**
   * All jobs, in no particular order.
   * @param unreadable gets those that cannot be read
   * @throws FatalError at the first of those if nobody wants them
   */
  list(unreadable?: (job: UnreadableJob) => void): Promise<JobRecord[]>;
  /**
   * Changes a job; of two changes at once one is made after the other, on what the first left.
   * @param change a pure function, called again where another came first; undefined leaves the job as it is
   * @throws InputError if there is no such job
   */
  update(name: string, change: (job: JobRecord) => JobRecord | undefined): Promise<JobRecord>;
  /**
   * Removes a job whose deletion has begun and all that is kept of it, its record last; does nothing if there is none of its name.
   * Another one of its name begins anew. Nobody may be at work on it.
   * @param job as its record was: one of its name that was created later stays, with all that is kept of it
   * @param signal aborts when somebody else may remove it
   * @throws InputError if the log holds another one, the signal's reason
   */
  remove(job: JobRecord, signal: AbortSignal): Promise<void>;
  /**
   * Every job as it is now, then its changes (not its removal), until the signal aborts (then it ends without an error). Of changes that follow
   * each other faster than they are read, the earlier ones may be left out.
   * @param unreadable gets, in their turn, those that cannot be read
   * @throws FatalError at the first of those if nobody wants them
   */
  watch(signal: AbortSignal, unreadable?: (job: UnreadableJob) => void): AsyncIterable<JobRecord>;
  /**
   * Appends items to a job's queue. One whose index and generation were published shortly before may be left out: whoever
   * publishes an item anew gives it another generation.
   */
  publish(name: string, items: readonly WorkItem[]): Promise<void>;
  /**
   * Takes items: those that are there, or, if there are none, the first that comes.
   * @param max 1 or more
   * @param options.waitMilliseconds how long to wait for the first
   * @returns at most `max`; none if the time is over or the signal aborted
   */
  take(
    name: string,
    max: number,
    options: { readonly waitMilliseconds: number; readonly signal: AbortSignal },
  ): Promise<readonly TakenItem[]>;
  /** Items that are queued, and taken but not settled, over all processes. */
  backlog(name: string): Promise<{ readonly queued: number; readonly taken: number }>;
  /** Drops all items that nobody has taken. */
  purge(name: string): Promise<void>;
  /** Appends an outcome. */
  record(name: string, outcome: ItemOutcome): Promise<void>;
  /** The outcomes so far, in order; with `follow` also those to come, until the signal aborts (then it ends without an error). */
  outcomes(
    name: string,
    options: { readonly follow: boolean; readonly signal: AbortSignal },
  ): AsyncIterable<ItemOutcome>;
  /** Puts an item among the dead letters. */
  bury(name: string, letter: DeadLetter): Promise<void>;
  deadLetters(name: string): AsyncIterable<DeadLetter>;
  /** Takes the letters of these items from among the dead. */
  exhume(name: string, indices: readonly number[]): Promise<void>;
  /**
   * Holds a name for this process while it lives and is responsive: one coordinator lists a job at a time.
   * @returns undefined if another process holds it; else `lost`, which aborts with a RetryableError once it no longer does, and
   *   `release`
   */
  hold(name: string): Promise<{ readonly lost: AbortSignal; release(): Promise<void> } | undefined>;
  close(): Promise<void>;
}
