/** The records of all jobs: in memory, and in one file that holds every change until it is written anew. */
import { z } from "zod";
import { FatalError, InputError } from "../../../shared/errors.js";
import { type JobRecord, jobRecordSchema } from "../../../shared/jobs/job.js";
import { Change } from "./change.js";
import { LineFile } from "./line-file.js";
import { Mutex } from "./mutex.js";

/** The file is written anew once it is this large, and four times as large as after the last time. */
const compactFrom = 1 << 20;

const lineSchema = z.union([z.strictObject({ removed: z.string() }), jobRecordSchema]);

export class JobTable {
  readonly #file: LineFile;
  readonly #jobs: Map<string, JobRecord>;
  readonly #mutex = new Mutex();
  /** Changes that a watcher has not seen yet, by job. */
  readonly #watchers = new Set<{ readonly unseen: Map<string, JobRecord>; readonly change: Change }>();
  #compactBytes = 0;
  #closed = false;

  private constructor(file: LineFile, jobs: Map<string, JobRecord>) {
    this.#file = file;
    this.#jobs = jobs;
  }

  static async open(path: string): Promise<JobTable> {
    const jobs = new Map<string, JobRecord>();
    const file = await LineFile.open(path, ({ json }) => {
      const { success, data, error } = lineSchema.safeParse(JSON.parse(json));
      if (!success) {
        throw new FatalError(`${path} holds a job of another version: ${z.prettifyError(error)}`);
      }
      if ("removed" in data) jobs.delete(data.removed);
      else jobs.set(data.spec.name, data);
    });
    return new JobTable(file, jobs);
  }

  /** See `JobLog`. */
  create(job: JobRecord): Promise<{ created: boolean; job: JobRecord }> {
    return this.#mutex.run(async () => {
      const present = this.#jobs.get(job.spec.name);
      if (present) return { created: false, job: present };
      await this.#write(job);
      return { created: true, job };
    });
  }

  get(name: string): JobRecord | undefined {
    return this.#jobs.get(name);
  }

  list(): JobRecord[] {
    return [...this.#jobs.values()];
  }

  update(name: string, change: (job: JobRecord) => JobRecord | undefined): Promise<JobRecord> {
    return this.#mutex.run(async () => {
      const job = this.#jobs.get(name);
      if (!job) throw new InputError(`there is no job "${name}"`);
      const changed = change(job);
      if (!changed) return job;
      await this.#write(changed);
      return changed;
    });
  }

  remove(name: string): Promise<void> {
    return this.#mutex.run(async () => {
      if (!this.#jobs.has(name)) return;
      await this.#file.append([{ removed: name }]);
      this.#jobs.delete(name);
      for (const { unseen } of this.#watchers) unseen.delete(name);
    });
  }

  async #write(job: JobRecord): Promise<void> {
    await this.#file.append([job]);
    this.#jobs.set(job.spec.name, job);
    for (const { unseen, change } of this.#watchers) {
      // Behind those that wait: the order is that of the changes.
      unseen.delete(job.spec.name);
      unseen.set(job.spec.name, job);
      change.announce();
    }
    if (this.#file.bytes < Math.max(compactFrom, 4 * this.#compactBytes)) return;
    try {
      await this.#file.rewrite(this.#jobs.values());
      this.#compactBytes = this.#file.bytes;
    } catch {
      // The change itself is durable. Where there is no room for a second file, the next change tries again; where the disk
      // fails, it says so.
    }
  }

  async *watch(signal: AbortSignal): AsyncGenerator<JobRecord, void, undefined> {
    const watcher = { unseen: new Map(this.#jobs), change: new Change() };
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted && !this.#closed) {
        const [job] = watcher.unseen.values();
        if (job === undefined) {
          await watcher.change.next(signal);
          continue;
        }
        watcher.unseen.delete(job.spec.name);
        yield job;
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { change } of this.#watchers) change.announce();
    await this.#mutex.run(() => this.#file.close());
  }
}
