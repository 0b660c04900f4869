/**
 * The job log of a cluster: streams and buckets of a NATS broker with JetStream, which any number of coordinators share.
 * `PREFIX` is "deqfleet" unless set.
 *
 *     stream PREFIX-items      PREFIX.items.JOB         work queue: an item is gone once it is settled
 *     stream PREFIX-outcomes   PREFIX.outcomes.JOB      outcomes as they were recorded: the job's manifest
 *     stream PREFIX-dead       PREFIX.dead.JOB.INDEX    dead letters, the last of each item
 *     bucket PREFIX-jobs       JOB                      records of all jobs
 *     bucket PREFIX-holds      NAME                     who holds a name; gone unless renewed
 *
 * All are kept in files and never discard the old for the new: a broker that is full refuses what is new.
 */
import { DiscardPolicy, nuid, RetentionPolicy, StorageType, type StreamConfig } from "nats";
import { z } from "zod";
import type { NatsSettings } from "../../../shared/config/nats-settings.js";
import { InputError } from "../../../shared/errors.js";
import type { JobRecord } from "../../../shared/jobs/job.js";
import {
  type ItemOutcome,
  itemOutcomeSchema,
  type WorkItem,
  workItemSchema,
} from "../../../shared/jobs/work-item.js";
import type { DeadLetter, JobLog, TakenItem, UnreadableJob } from "../job-log.js";
import { checkedJobName } from "../job-name.js";
import { Broker, jetStreamError } from "./broker.js";
import { ItemStream } from "./item-stream.js";
import { JobRecords } from "./job-records.js";
import { KeyBucket } from "./key-bucket.js";
import { Lease } from "./lease.js";
import { removeJob } from "./remove-job.js";
import { json, parsed } from "./stored.js";
import { readStream } from "./stream-reader.js";

export interface NatsLogOptions {
  /** After which an item is given out again without word from its taker; 30 000 by default. */
  readonly ackMilliseconds?: number;
  /** After which the name of a holder that is silent is free; 15 000 by default. */
  readonly holdMilliseconds?: number;
  /** How long a broker that is away is waited for before a method throws; 10 000 by default. */
  readonly patienceMilliseconds?: number;
}

/** What was published twice within this time counts once: long enough for repeats after a lost answer. */
const duplicateWindow = 30e9;
const streamNotFound = 10059;
const exhumedAtOnce = 64;

const deadLetterSchema = z.strictObject({
  item: workItemSchema,
  errors: z.array(z.string()),
  at: z.string(),
});
async function openStream(broker: Broker, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  const { name, num_replicas } = config;
  await broker.ask(`opening the stream ${name}`, async () => {
    try {
      const present = await broker.jsm.streams.info(name);
      if (present.config.num_replicas !== num_replicas) {
        await broker.jsm.streams.update(name, { num_replicas });
      }
    } catch (error) {
      if (jetStreamError(error) !== streamNotFound) throw error;
      await broker.jsm.streams.add(config);
    }
  });
}

export class NatsLog implements JobLog {
  readonly kind = "nats";
  readonly #broker: Broker;
  readonly #prefix: string;
  readonly #items: ItemStream;
  readonly #jobs: JobRecords;
  readonly #holds: KeyBucket;
  readonly #holdMilliseconds: number;
  readonly #leases = new Set<Lease>();

  private constructor(
    broker: Broker,
    prefix: string,
    jobs: JobRecords,
    holds: KeyBucket,
    ackMilliseconds: number,
    holdMilliseconds: number,
  ) {
    this.#broker = broker;
    this.#prefix = prefix;
    this.#items = new ItemStream(broker, `${prefix}-items`, `${prefix}.items`, ackMilliseconds);
    this.#jobs = jobs;
    this.#holds = holds;
    this.#holdMilliseconds = holdMilliseconds;
  }

  /**
   * Connects, and makes the streams that are not there.
   * @throws InputError if the settings do not fit the broker, RetryableError if it cannot be reached
   */
  static async open(settings: NatsSettings, options: NatsLogOptions = {}): Promise<NatsLog> {
    const { ackMilliseconds = 30_000, holdMilliseconds = 15_000, patienceMilliseconds = 10_000 } = options;
    const { prefix, replicas } = settings;
    const broker = await Broker.connect(settings, patienceMilliseconds);
    try {
      const common = {
        storage: StorageType.File,
        discard: DiscardPolicy.New,
        num_replicas: replicas,
        duplicate_window: duplicateWindow,
      };
      const stream = (name: string, subjects: string, config: Partial<StreamConfig>) =>
        openStream(broker, {
          name: `${prefix}-${name}`,
          subjects: [`${prefix}.${subjects}`],
          ...common,
          ...config,
        });
      await stream("items", "items.*", { retention: RetentionPolicy.Workqueue });
      await stream("outcomes", "outcomes.*", { retention: RetentionPolicy.Limits });
      await stream("dead", "dead.*.*", { retention: RetentionPolicy.Limits, max_msgs_per_subject: 1 });
      const jobs = new JobRecords(await KeyBucket.open(broker, `${prefix}-jobs`, { replicas }));
      const holds = await KeyBucket.open(broker, `${prefix}-holds`, {
        replicas,
        lifetimeMilliseconds: holdMilliseconds,
      });
      return new NatsLog(broker, prefix, jobs, holds, ackMilliseconds, holdMilliseconds);
    } catch (cause) {
      await broker.close();
      throw cause;
    }
  }

  create(job: JobRecord): Promise<{ readonly created: boolean; readonly job: JobRecord }> {
    return this.#jobs.create(job);
  }

  get(name: string): Promise<JobRecord | undefined> {
    return this.#jobs.get(name);
  }

  list(unreadable?: (job: UnreadableJob) => void): Promise<JobRecord[]> {
    return this.#jobs.list(unreadable);
  }

  update(name: string, change: (job: JobRecord) => JobRecord | undefined): Promise<JobRecord> {
    return this.#jobs.update(name, change);
  }

  async remove(job: JobRecord, signal: AbortSignal): Promise<void> {
    const name = checkedJobName(job.spec.name);
    const subjects = [
      { stream: `${this.#prefix}-items`, filter: `${this.#prefix}.items.${name}` },
      { stream: `${this.#prefix}-outcomes`, filter: `${this.#prefix}.outcomes.${name}` },
      { stream: `${this.#prefix}-dead`, filter: this.#letters(name, "*") },
    ];
    const where = { broker: this.#broker, records: this.#jobs, items: this.#items, subjects };
    await removeJob(where, job, signal);
  }

  watch(signal: AbortSignal, unreadable?: (job: UnreadableJob) => void): AsyncIterable<JobRecord> {
    return this.#jobs.watch(signal, unreadable);
  }

  async publish(name: string, items: readonly WorkItem[]): Promise<void> {
    await this.#items.publish(checkedJobName(name), this.#jobs.born(name), items);
  }

  async take(
    name: string,
    max: number,
    options: { readonly waitMilliseconds: number; readonly signal: AbortSignal },
  ): Promise<readonly TakenItem[]> {
    return this.#items.take(checkedJobName(name), max, options);
  }

  async backlog(name: string): Promise<{ readonly queued: number; readonly taken: number }> {
    return this.#items.backlog(checkedJobName(name));
  }

  async purge(name: string): Promise<void> {
    await this.#items.purge(checkedJobName(name));
  }

  async record(name: string, outcome: ItemOutcome): Promise<void> {
    const subject = `${this.#prefix}.outcomes.${checkedJobName(name)}`;
    await this.#publish(subject, outcome, `the outcome of ${outcome.key}`);
  }

  /** The id makes a repeat after a lost answer no second message. */
  async #publish(subject: string, value: unknown, what: string): Promise<void> {
    const data = json.encode(value);
    const { maxPayload } = this.#broker;
    if (data.length > maxPayload) {
      throw new InputError(
        `${what} takes ${data.length} bytes, NATS takes ${maxPayload} in a message: raise its max_payload`,
      );
    }
    const msgID = nuid.next();
    await this.#broker.ask(`publishing ${subject}`, () => this.#broker.js.publish(subject, data, { msgID }));
  }

  async *outcomes(
    name: string,
    { follow, signal }: { readonly follow: boolean; readonly signal: AbortSignal },
  ): AsyncGenerator<ItemOutcome, void, undefined> {
    const stream = `${this.#prefix}-outcomes`;
    const subject = `${this.#prefix}.outcomes.${checkedJobName(name)}`;
    const reading = { stream, subject, deliver: "all", follow, signal } as const;
    for await (const { data } of readStream(this.#broker, reading)) {
      yield parsed(itemOutcomeSchema, data, `an outcome of ${name}`);
    }
  }

  #letters(job: string, index: number | "*"): string {
    return `${this.#prefix}.dead.${checkedJobName(job)}.${index}`;
  }

  async bury(name: string, letter: DeadLetter): Promise<void> {
    await this.#publish(
      this.#letters(name, letter.item.index),
      letter,
      `the dead letter of ${letter.item.key}`,
    );
  }

  async *deadLetters(name: string): AsyncGenerator<DeadLetter, void, undefined> {
    const { signal } = new AbortController();
    const stream = `${this.#prefix}-dead`;
    const reading = {
      stream,
      subject: this.#letters(name, "*"),
      deliver: "all",
      follow: false,
      signal,
    } as const;
    for await (const { data } of readStream(this.#broker, reading)) {
      yield parsed(deadLetterSchema, data, `a dead letter of ${name}`);
    }
  }

  async exhume(name: string, indices: readonly number[]): Promise<void> {
    const left = [...indices];
    const exhumer = async () => {
      for (let index = left.pop(); index !== undefined; index = left.pop()) {
        const filter = this.#letters(name, index);
        await this.#broker.ask(`removing ${filter}`, () =>
          this.#broker.jsm.streams.purge(`${this.#prefix}-dead`, { filter }),
        );
      }
    };
    await Promise.all(Array.from({ length: exhumedAtOnce }, exhumer));
  }

  async hold(name: string): Promise<{ readonly lost: AbortSignal; release(): Promise<void> } | undefined> {
    const lease = await Lease.take(this.#holds, name, this.#holdMilliseconds);
    if (!lease) return undefined;
    this.#leases.add(lease);
    const release = async () => {
      this.#leases.delete(lease);
      await lease.release();
    };
    return { lost: lease.lost, release };
  }

  /** Lets go of all names and ends all iterations. */
  async close(): Promise<void> {
    if (this.#broker.closed) return;
    const held = this.#broker.link.aborted ? [] : [...this.#leases];
    // A broker that goes away now drops them when their time is over.
    await Promise.allSettled(held.map((lease) => lease.release()));
    await this.#broker.close();
  }
}
