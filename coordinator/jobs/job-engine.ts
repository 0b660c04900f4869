/**
 * The jobs of a coordinator: a runner for each that is not at its end, one dispatcher for all, and what users ask of them. Several
 * coordinators may share a log; each runs all of its jobs.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { DeqfleetError, RetryableError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import type { WorkerPool } from "../fleet/worker-pool.js";
import { deleteJob } from "./delete-job.js";
import { Dispatch } from "./dispatch.js";
import { replayOutcomes } from "./follow-outcomes.js";
import { backoff, insist } from "./insist.js";
import type { RunningItem } from "./items-in-hand.js";
import type { JobLog, UnreadableJob } from "./job-log.js";
import { NoSuchJobError } from "./job-requests.js";
import { JobRunner, type JobRunnerParts } from "./job-runner.js";
import type { Tally } from "./tally.js";
import { Troubles } from "./troubles.js";

/** What an engine needs. */
export interface JobEngineParts extends Pick<JobRunnerParts, "openStores" | "restoration" | "onEvent"> {
  readonly log: JobLog;
  readonly pool: WorkerPool;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** Before the log is watched again when that came to an end; doubling while it fails at once. */
const watchMilliseconds = 1000;
const longestWatchMilliseconds = 60_000;

/** Tallies of finished jobs that are kept for the next question. */
const keptTallies = 4;

/** See above. */
export class JobEngine {
  readonly log: JobLog;
  readonly pool: WorkerPool;
  readonly now: () => Date;
  readonly #parts: JobEngineParts;
  readonly #dispatch: Dispatch;
  readonly #troubles: Troubles;
  readonly #runners = new Map<string, JobRunner>();
  readonly #ended = new Set<Promise<void>>();
  /** Jobs whose record was last seen to be unreadable. */
  readonly #unreadable = new Set<string>();
  /** By name and the moment the job finished. */
  readonly #tallies = new Map<string, Promise<Tally>>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: JobEngineParts) {
    this.#parts = parts;
    this.log = parts.log;
    this.pool = parts.pool;
    this.now = parts.now ?? (() => new Date());
    this.#troubles = new Troubles(parts.onEvent);
    this.#dispatch = new Dispatch({ log: parts.log, pool: parts.pool });
    // One listener an item or a question in flight is no leak.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Begins to work on the log's jobs. */
  start(): void {
    this.#running ??= Promise.all([this.#dispatch.run(this.#stop.signal), this.#watch()]).then(() => {});
  }

  /** Gives back what is in hand, and ends. */
  async close(): Promise<void> {
    this.#stop.abort(new RetryableError("the coordinator stops"));
    for (const runner of this.#runners.values()) runner.stop();
    await this.#running;
    await Promise.all(this.#ended);
  }

  /** The runner of a job that is not at its end. */
  runner(name: string): JobRunner | undefined {
    return this.#runners.get(name);
  }

  /** @throws NoSuchJobError */
  async job(name: string): Promise<JobRecord> {
    const job = await this.log.get(name);
    if (!job) throw new NoSuchJobError(name);
    return job;
  }

  /** The tally of a job: that of its runner, or one that is read from the log. @throws what keeps the log from being read */
  async tally(job: JobRecord): Promise<Tally> {
    const { name } = job.spec;
    const runner = this.#runners.get(name);
    if (runner) {
      await runner.ready;
      return runner.tally;
    }
    const key = `${name} ${job.finishedAt}`;
    const { signal } = this.#stop;
    const trouble = (error: unknown) => this.#troubles.tell(job, error);
    const known = this.#tallies.get(key) ?? replayOutcomes(this.log, name, { signal, trouble });
    this.#tallies.delete(key);
    this.#tallies.set(key, known);
    known.catch(() => this.#tallies.delete(key));
    const [oldest] = this.#tallies.keys();
    if (this.#tallies.size > keptTallies && oldest !== undefined) this.#tallies.delete(oldest);
    return known;
  }

  /** Since an item of an active job last got an outcome, or the job was created; undefined for any other job. */
  secondsSinceProgress(name: string): number | undefined {
    const runner = this.#runners.get(name);
    if (runner?.job.state !== "active") return undefined;
    const since = runner.tally.lastOutcome ?? Date.parse(runner.job.createdAt);
    return Math.max(0, (this.now().getTime() - since) / 1000);
  }

  /** Items of a job at work on this coordinator. */
  running(name: string): readonly RunningItem[] {
    return this.#runners.get(name)?.running ?? [];
  }

  /** Changes a job's record, and follows that at once. @throws NoSuchJobError, and what `change` throws */
  async update(name: string, change: (job: JobRecord) => JobRecord | undefined): Promise<JobRecord> {
    await this.job(name);
    const job = await this.log.update(name, change);
    this.follow(job);
    return job;
  }

  /** Deletes a job that is at its end. @throws NoSuchJobError, and what {@link deleteJob} throws */
  async delete(name: string): Promise<void> {
    await this.job(name);
    await deleteJob(this.log, name, this.now());
    for (const key of this.#tallies.keys()) if (key.startsWith(`${name} `)) this.#tallies.delete(key);
  }

  /** A record is new, or has changed. */
  follow(job: JobRecord): void {
    const { name } = job.spec;
    this.#unreadable.delete(name);
    const runner = this.#runners.get(name);
    if (runner) runner.changed(job);
    else if (job.finishedAt === null && !this.#stop.signal.aborted) this.#begin(job);
  }

  #begin(job: JobRecord): void {
    const { name } = job.spec;
    const { openStores, restoration, onEvent } = this.#parts;
    const { log, pool, now } = this;
    const runner = new JobRunner(job, {
      log,
      pool,
      now,
      dispatch: this.#dispatch,
      openStores,
      restoration,
      onEvent,
      troubles: this.#troubles,
    });
    this.#runners.set(name, runner);
    onEvent({ event: "job-changed", job });
    const ended = runner.run().finally(() => {
      this.#runners.delete(name);
      this.#ended.delete(ended);
      // It may have been brought back while it came to its end.
      if (runner.job.finishedAt === null && !this.#unreadable.has(name)) this.follow(runner.job);
    });
    this.#ended.add(ended);
  }

  /** Leaves a job to coordinators that can read what is to become of it. */
  #leave({ name, reason }: UnreadableJob): void {
    // Those change its record again and again: it is told of once.
    if (this.#unreadable.has(name)) return;
    this.#unreadable.add(name);
    this.#parts.onEvent({ event: "log-trouble", name, message: reason });
    this.#runners.get(name)?.stop(new RetryableError(reason));
  }

  /** Follows the log until the engine is closed. Never rejects: all other jobs hang on it. */
  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    const trouble = (error: unknown) => {
      for (const { job } of this.#runners.values()) this.#troubles.tell(job, error);
    };
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await insist(
          async () => {
            for await (const job of this.log.watch(signal, (unreadable) => this.#leave(unreadable))) {
              attempt = 0;
              this.follow(job);
            }
          },
          { signal, trouble },
        );
      } catch (error) {
        const message = DeqfleetError.messageOf(error);
        if (!signal.aborted) this.#parts.onEvent({ event: "log-trouble", name: null, message });
      }
      const milliseconds = backoff(Math.max(1, attempt), watchMilliseconds, longestWatchMilliseconds);
      await delay(milliseconds, undefined, { signal }).catch(() => {});
    }
  }
}
