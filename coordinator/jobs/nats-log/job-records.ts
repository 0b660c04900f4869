/** The records of all jobs: a bucket in which a change replaces only the record that it was made from. */
import { DeqfleetError, FatalError, InputError } from "../../../shared/errors.js";
import { type JobRecord, jobRecordSchema } from "../../../shared/jobs/job.js";
import { mayRemove } from "../delete-job.js";
import type { UnreadableJob } from "../job-log.js";
import { checkedJobName } from "../job-name.js";
import type { Entry, KeyBucket } from "./key-bucket.js";
import { json, parsed } from "./stored.js";

export class JobRecords {
  readonly #bucket: KeyBucket;
  /** When each job was created, as its record last said: whoever publishes items of a job has seen it. */
  readonly #born = new Map<string, string>();

  constructor(bucket: KeyBucket) {
    this.#bucket = bucket;
  }

  /** Tells a job from earlier ones of its name; empty if its record was not seen. */
  born(name: string): string {
    return this.#born.get(name) ?? "";
  }

  /** See `JobLog`. */
  async create(job: JobRecord): Promise<{ readonly created: boolean; readonly job: JobRecord }> {
    const name = checkedJobName(job.spec.name);
    for (;;) {
      const present = await this.#bucket.get(name);
      if (present?.value !== undefined) return { created: false, job: this.#read(present) };
      const revision = await this.#bucket.put(name, json.encode(job), present?.revision ?? 0);
      if (revision === undefined) continue;
      this.#born.set(name, job.createdAt);
      return { created: true, job };
    }
  }

  async get(name: string): Promise<JobRecord | undefined> {
    const entry = await this.#bucket.get(checkedJobName(name));
    return entry?.value === undefined ? undefined : this.#read(entry);
  }

  async list(unreadable?: (job: UnreadableJob) => void): Promise<JobRecord[]> {
    const { signal } = new AbortController();
    const jobs: JobRecord[] = [];
    for await (const job of this.#all(false, signal, unreadable)) jobs.push(job);
    return jobs;
  }

  watch(
    signal: AbortSignal,
    unreadable?: (job: UnreadableJob) => void,
  ): AsyncGenerator<JobRecord, void, undefined> {
    return this.#all(true, signal, unreadable);
  }

  async update(name: string, change: (job: JobRecord) => JobRecord | undefined): Promise<JobRecord> {
    for (;;) {
      const present = await this.#bucket.get(checkedJobName(name));
      if (present?.value === undefined) throw new InputError(`there is no job "${name}"`);
      const job = this.#read(present);
      const changed = change(job);
      if (!changed) return job;
      const revision = await this.#bucket.put(name, json.encode(changed), present.revision);
      if (revision !== undefined) return changed;
    }
  }

  /** @throws InputError if there is another one of its name */
  async remove(job: JobRecord): Promise<void> {
    const { name } = job.spec;
    for (;;) {
      const present = await this.#bucket.get(name);
      if (present?.value === undefined || !mayRemove(this.#read(present), job)) break;
      if ((await this.#bucket.remove(name, present.revision)) !== undefined) break;
    }
    this.#born.delete(name);
  }

  #read({ key, value }: Entry): JobRecord {
    const job = parsed(jobRecordSchema, value ?? new Uint8Array(), `the job ${key}`);
    this.#born.set(key, job.createdAt);
    return job;
  }

  async *#all(
    follow: boolean,
    signal: AbortSignal,
    unreadable?: (job: UnreadableJob) => void,
  ): AsyncGenerator<JobRecord, void, undefined> {
    for await (const entry of this.#bucket.entries(follow, signal)) {
      if (entry.value === undefined) continue;
      let job: JobRecord;
      try {
        job = this.#read(entry);
      } catch (error) {
        if (!unreadable || !(error instanceof FatalError)) throw error;
        unreadable({ name: entry.key, reason: DeqfleetError.messageOf(error) });
        continue;
      }
      yield job;
    }
  }
}
