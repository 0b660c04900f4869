/**
 * The job log of one machine: files below a folder, nothing to start. One process uses it at a time.
 *
 *     FOLDER/lock.N                   held while a process uses the folder
 *     FOLDER/jobs.log                 records of all jobs
 *     FOLDER/jobs/NAME/items.log      items as they were published
 *     FOLDER/jobs/NAME/marks.log      which of them were taken and are settled
 *     FOLDER/jobs/NAME/outcomes.log   outcomes as they were recorded
 *     FOLDER/jobs/NAME/dead.log       dead letters
 */
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { DeqfleetError, FatalError, InputError, RetryableError } from "../../../shared/errors.js";
import type { JobRecord } from "../../../shared/jobs/job.js";
import { type ItemOutcome, itemOutcomeSchema, type WorkItem } from "../../../shared/jobs/work-item.js";
import { makeFolder } from "../../../shared/make-folder.js";
import { syncFolder } from "../../../shared/sync-folder.js";
import { mayRemove } from "../delete-job.js";
import type { DeadLetter, JobLog, TakenItem } from "../job-log.js";
import { checkedJobName } from "../job-name.js";
import { DeadLetters } from "./dead-letters.js";
import { FolderLock } from "./folder-lock.js";
import { ItemQueue } from "./item-queue.js";
import { JobTable } from "./job-table.js";
import { LineFile } from "./line-file.js";

export interface EmbeddedLogOptions {
  /** After which an item is given out again without word from its taker; 30 000 by default. */
  readonly ackMilliseconds?: number;
}

/** Something of each job that is opened when it is first used. */
class Opened<Resource extends { close(): Promise<void> }> {
  readonly #open: (job: string) => Promise<Resource>;
  readonly #resources = new Map<string, Promise<Resource>>();

  constructor(open: (job: string) => Promise<Resource>) {
    this.#open = open;
  }

  of(job: string): Promise<Resource> {
    const present = this.#resources.get(job);
    if (present !== undefined) return present;
    const opening = this.#open(job);
    this.#resources.set(job, opening);
    // One that failed (too many open files, a full disk) is tried again.
    opening.catch(() => this.#resources.delete(job));
    return opening;
  }

  /** Closes what is open of a job. */
  async forget(job: string): Promise<void> {
    const present = this.#resources.get(job);
    this.#resources.delete(job);
    await (await present)?.close();
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#resources.values());
    for (const result of opened) if (result.status === "fulfilled") await result.value.close();
  }
}

export class EmbeddedLog implements JobLog {
  readonly kind = "embedded";
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #jobs: JobTable;
  readonly #queues: Opened<ItemQueue>;
  readonly #outcomes: Opened<LineFile>;
  readonly #letters: Opened<DeadLetters>;
  readonly #holds = new Set<string>();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  private constructor(folder: string, lock: FolderLock, jobs: JobTable, ackMilliseconds: number) {
    this.#folder = folder;
    this.#lock = lock;
    this.#jobs = jobs;
    const folderOf = (job: string) => makeFolder(join(folder, "jobs", checkedJobName(job)));
    this.#queues = new Opened(async (job) => ItemQueue.open(await folderOf(job), ackMilliseconds));
    this.#outcomes = new Opened(async (job) => LineFile.open(join(await folderOf(job), "outcomes.log")));
    this.#letters = new Opened(async (job) => DeadLetters.open(join(await folderOf(job), "dead.log")));
  }

  /**
   * Opens the log in a folder, which is made if need be.
   * @throws InputError if the folder cannot be used or another process uses it, FatalError if its files are damaged
   */
  static async open(folder: string, options: EmbeddedLogOptions = {}): Promise<EmbeddedLog> {
    try {
      await makeFolder(folder);
    } catch (cause) {
      throw new InputError(`${folder} cannot be made: ${DeqfleetError.messageOf(cause)}`, { cause });
    }
    const lock = await FolderLock.take(folder);
    try {
      const jobs = await JobTable.open(join(folder, "jobs.log"));
      return new EmbeddedLog(folder, lock, jobs, options.ackMilliseconds ?? 30_000);
    } catch (cause) {
      await lock.release();
      throw cause;
    }
  }

  async create(job: JobRecord): Promise<{ readonly created: boolean; readonly job: JobRecord }> {
    return this.#jobs.create(job);
  }

  async get(name: string): Promise<JobRecord | undefined> {
    return this.#jobs.get(name);
  }

  async list(): Promise<JobRecord[]> {
    return this.#jobs.list();
  }

  async update(name: string, change: (job: JobRecord) => JobRecord | undefined): Promise<JobRecord> {
    return this.#jobs.update(name, change);
  }

  async remove(job: JobRecord, signal: AbortSignal): Promise<void> {
    const { name } = job.spec;
    signal.throwIfAborted();
    if (!mayRemove(this.#jobs.get(name), job)) return;
    const folder = join(this.#folder, "jobs", checkedJobName(name));
    await this.#queues.forget(name);
    await this.#outcomes.forget(name);
    await this.#letters.forget(name);
    await rm(folder, { recursive: true, force: true });
    // What is left of it must not come back once its record is gone.
    await syncFolder(await makeFolder(dirname(folder)));
    await this.#jobs.remove(name);
  }

  watch(signal: AbortSignal): AsyncIterable<JobRecord> {
    return this.#jobs.watch(signal);
  }

  async publish(name: string, items: readonly WorkItem[]): Promise<void> {
    await (await this.#queues.of(name)).publish(items);
  }

  async take(
    name: string,
    max: number,
    options: { readonly waitMilliseconds: number; readonly signal: AbortSignal },
  ): Promise<readonly TakenItem[]> {
    return (await this.#queues.of(name)).take(max, options);
  }

  async backlog(name: string): Promise<{ readonly queued: number; readonly taken: number }> {
    return (await this.#queues.of(name)).backlog();
  }

  async purge(name: string): Promise<void> {
    await (await this.#queues.of(name)).purge();
  }

  async record(name: string, outcome: ItemOutcome): Promise<void> {
    await (await this.#outcomes.of(name)).append([outcome]);
  }

  async *outcomes(
    name: string,
    options: { readonly follow: boolean; readonly signal: AbortSignal },
  ): AsyncGenerator<ItemOutcome, void, undefined> {
    const file = await this.#outcomes.of(name);
    let position = 0;
    do {
      for await (const lines of file.read(position)) {
        for (const { json, end } of lines) {
          if (options.signal.aborted) return;
          const { success, data, error } = itemOutcomeSchema.safeParse(JSON.parse(json));
          if (!success) {
            throw new FatalError(
              `${file.path} holds an outcome of another version: ${z.prettifyError(error)}`,
            );
          }
          yield data;
          position = end;
        }
      }
    } while (options.follow && (await file.growsBeyond(position, options.signal)));
  }

  async bury(name: string, letter: DeadLetter): Promise<void> {
    await (await this.#letters.of(name)).bury(letter);
  }

  async *deadLetters(name: string): AsyncGenerator<DeadLetter, void, undefined> {
    yield* (await this.#letters.of(name)).all();
  }

  async exhume(name: string, indices: readonly number[]): Promise<void> {
    await (await this.#letters.of(name)).exhume(indices);
  }

  /** Whoever has the folder has every name in it: only this process can hold one twice. */
  async hold(name: string): Promise<{ readonly lost: AbortSignal; release(): Promise<void> } | undefined> {
    if (this.#holds.has(name)) return undefined;
    this.#holds.add(name);
    let held = true;
    const release = async () => {
      if (held) this.#holds.delete(name);
      held = false;
    };
    return { lost: this.#closing.signal, release };
  }

  /** Ends all iterations, waits for what is being written, and lets go of the folder. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new RetryableError(`the log in ${this.#folder} is closed`));
    await this.#queues.close();
    await this.#outcomes.close();
    await this.#letters.close();
    await this.#jobs.close();
    await this.#lock.release();
  }
}
