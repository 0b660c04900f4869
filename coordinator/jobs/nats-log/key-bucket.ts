/**
 * A key-value bucket whose values are changed by comparison: laid out as NATS lays out its own buckets, so that `nats kv`
 * shows them. Each write carries an id, by which it is recognised when its answer was lost.
 */
import { headers, nuid, StorageType } from "nats";
import { InputError } from "../../../shared/errors.js";
import { type Broker, isNotFound, jetStreamError } from "./broker.js";
import type { StreamMessage } from "./pull.js";
import { readStream } from "./stream-reader.js";

const wrongLastSequence = 10071;
/** Values kept of each key: a write whose answer was lost is looked for among them, behind the one it was to replace. */
const history = 16;

export interface Entry {
  readonly key: string;
  /** Undefined once it was removed. */
  readonly value: Uint8Array | undefined;
  /** Number of the write that left it. */
  readonly revision: number;
}

export interface BucketOptions {
  readonly replicas: number;
  /** After which a value that is not written again is gone. */
  readonly lifetimeMilliseconds?: number;
}

export class KeyBucket {
  readonly #broker: Broker;
  readonly #bucket: string;

  private constructor(broker: Broker, bucket: string) {
    this.#broker = broker;
    this.#bucket = bucket;
  }

  static async open(broker: Broker, bucket: string, options: BucketOptions): Promise<KeyBucket> {
    await broker.ask(`opening the bucket ${bucket}`, () =>
      broker.js.views.kv(bucket, {
        history,
        storage: StorageType.File,
        replicas: options.replicas,
        // Read where they are written: a copy may be behind.
        allow_direct: false,
        ...(options.lifetimeMilliseconds && { ttl: options.lifetimeMilliseconds }),
      }),
    );
    return new KeyBucket(broker, bucket);
  }

  get stream(): string {
    return `KV_${this.#bucket}`;
  }

  /** @throws InputError if the key is none: it becomes part of a subject */
  #subject(key: string): string {
    if (!/^[\w.=/-]+$/.test(key)) {
      throw new InputError(
        `${JSON.stringify(key)} cannot be a name: it needs letters, digits and any of _ . = / -`,
      );
    }
    return `$KV.${this.#bucket}.${key}`;
  }

  /** Undefined if it was never written, or its lifetime is over. */
  get(key: string): Promise<Entry | undefined> {
    const subject = this.#subject(key);
    return this.#broker.ask(`reading ${subject}`, async () => {
      try {
        const found = await this.#broker.jsm.streams.getMessage(this.stream, { last_by_subj: subject });
        const removed = found.header.get("KV-Operation") !== "";
        return { key, value: removed ? undefined : found.data, revision: found.seq };
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  /**
   * Writes a value if the last write of its key is still the one given.
   * @param last its revision; 0 if there is none
   * @returns the revision; undefined if another write came first
   */
  put(key: string, value: Uint8Array | string, last: number): Promise<number | undefined> {
    return this.#write(key, value, last, false);
  }

  /** As {@link put}; the key is then without a value. */
  remove(key: string, last: number): Promise<number | undefined> {
    return this.#write(key, "", last, true);
  }

  #write(
    key: string,
    value: Uint8Array | string,
    last: number,
    removes: boolean,
  ): Promise<number | undefined> {
    const subject = this.#subject(key);
    const msgID = nuid.next();
    let sentBefore = false;
    return this.#broker.ask(`writing ${subject}`, async () => {
      const header = headers();
      if (removes) header.set("KV-Operation", "DEL");
      const expect = { lastSubjectSequence: last };
      const again = sentBefore;
      sentBefore = true;
      try {
        return (await this.#broker.js.publish(subject, value, { msgID, expect, headers: header })).seq;
      } catch (error) {
        if (jetStreamError(error) !== wrongLastSequence) throw error;
        return again ? this.#writtenAfter(subject, last, msgID) : undefined;
      }
    });
  }

  /** The broker compares revisions before ids: a write that it has done refuses its own repetition. */
  async #writtenAfter(subject: string, last: number, msgID: string): Promise<number | undefined> {
    const next = { seq: last + 1, next_by_subj: subject };
    const found = await this.#broker.jsm.streams.getMessage(this.stream, next);
    return found.header.get("Nats-Msg-Id") === msgID ? found.seq : undefined;
  }

  /** Every key as it is, then every change; or, without `follow`, until the last. */
  async *entries(follow: boolean, signal: AbortSignal): AsyncGenerator<Entry, void, undefined> {
    const subject = `$KV.${this.#bucket}.>`;
    const reading = { stream: this.stream, subject, deliver: "last-of-each", follow, signal } as const;
    for await (const message of readStream(this.#broker, reading)) yield this.#entry(message);
  }

  #entry({ subject, headers, data, sequence }: StreamMessage): Entry {
    const key = subject.slice(`$KV.${this.#bucket}.`.length);
    return { key, value: headers?.get("KV-Operation") ? undefined : data, revision: sequence };
  }
}
