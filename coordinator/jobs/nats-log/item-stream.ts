/**
 * The items of all jobs: a work-queue stream, a subject and a durable pull consumer each job. The consumer never gives an
 * item up (deliveries are unlimited, so there are no advisories of their end to catch): each delivery carries its number,
 * and whoever takes items buries those that came too often.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  JSONCodec,
  ReplayPolicy,
} from "nats";
import { z } from "zod";
import { FatalError } from "../../../shared/errors.js";
import { type WorkItem, workItemSchema } from "../../../shared/jobs/work-item.js";
import type { TakenItem } from "../job-log.js";
import { type Broker, isNotFound, requestMilliseconds } from "./broker.js";
import { acknowledge, giveBackAfter, pullSome, type StreamMessage } from "./pull.js";

/** Publications without an answer yet. */
const publishedAtOnce = 256;
const purgedAtOnce = 1000;
/** Of one pull: a pull that the broker forgot (its leader changed) is asked again after this. */
const pullMilliseconds = 5000;
const json = JSONCodec<unknown>();

export class ItemStream {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #subjects: string;
  readonly #ackMilliseconds: number;
  readonly #consumers = new Map<string, Promise<ConsumerInfo>>();

  /**
   * @param stream exists
   * @param subjects a job's items are in `SUBJECTS.JOB`
   */
  constructor(broker: Broker, stream: string, subjects: string, ackMilliseconds: number) {
    this.#broker = broker;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#ackMilliseconds = ackMilliseconds;
  }

  /** @param born tells the job from earlier ones of its name */
  async publish(job: string, born: string, items: readonly WorkItem[]): Promise<void> {
    const subject = `${this.#subjects}.${job}`;
    let next = 0;
    let failed = false;
    const publisher = async () => {
      while (next < items.length && !failed) {
        const item = items[next++];
        // Whatever is published again within the stream's window counts once.
        const msgID = `${job}.${born}.${item.generation}.${item.index}`;
        const data = json.encode(item);
        try {
          await this.#broker.ask(`publishing ${subject}`, () =>
            this.#broker.js.publish(subject, data, { msgID }),
          );
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(publishedAtOnce, items.length) }, publisher));
  }

  /** Makes sure of the job's consumer, which holds what of its items was taken and settled. */
  #consumer(job: string): Promise<ConsumerInfo> {
    const present = this.#consumers.get(job);
    if (present !== undefined) return present;
    const config: Partial<ConsumerConfig> = {
      durable_name: job,
      filter_subject: `${this.#subjects}.${job}`,
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
      ack_policy: AckPolicy.Explicit,
      ack_wait: this.#ackMilliseconds * 1e6,
      max_deliver: -1,
      // Takers bound what they take; the default of 1000 over all of them would starve a large fleet.
      max_ack_pending: -1,
    };
    const making = this.#broker.jsm.consumers.add(this.#stream, config);
    this.#consumers.set(job, making);
    making.catch(() => this.#consumers.delete(job));
    return making;
  }

  async #pull(
    job: string,
    batch: number,
    expiresMilliseconds: number,
    signal: AbortSignal,
  ): Promise<StreamMessage[]> {
    await this.#consumer(job);
    try {
      return await pullSome(this.#broker, {
        stream: this.#stream,
        consumer: job,
        batch,
        expiresMilliseconds,
        signal,
      });
    } catch (error) {
      this.#consumers.delete(job);
      throw error;
    }
  }

  /** Forgets what of a job's items was taken and settled. */
  async forget(job: string): Promise<void> {
    this.#consumers.delete(job);
    await this.#broker.ask(`removing the consumer of ${job}`, async () => {
      try {
        await this.#broker.jsm.consumers.delete(this.#stream, job);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    });
  }

  /** See `JobLog.take`. */
  async take(
    job: string,
    max: number,
    { waitMilliseconds, signal }: { readonly waitMilliseconds: number; readonly signal: AbortSignal },
  ): Promise<readonly TakenItem[]> {
    const until = performance.now() + waitMilliseconds;
    while (!signal.aborted && !this.#broker.closed) {
      const left = until - performance.now();
      const messages = await this.#broker.attempt(`taking items of ${job}`, () =>
        this.#pull(job, max, Math.max(0, Math.min(left, pullMilliseconds)), signal),
      );
      if (messages.length > 0) return messages.map((message) => this.#taken(message));
      if (performance.now() >= until) break;
    }
    return [];
  }

  #taken(message: StreamMessage): TakenItem {
    const { success, data, error } = workItemSchema.safeParse(json.decode(message.data));
    if (!success) {
      throw new FatalError(
        `stream ${this.#stream} holds an item of another version at ${message.sequence}: ${z.prettifyError(error)}`,
      );
    }
    const { link } = this.#broker;
    return {
      item: data,
      delivery: message.delivery,
      working: () => {
        if (!this.#broker.link.aborted) this.#broker.connection.publish(message.reply, acknowledge.working);
      },
      settle: () => this.#settle(message, link),
      giveBack: (delayMilliseconds) => this.#giveBack(message, delayMilliseconds),
    };
  }

  /**
   * A broker that was killed may have forgotten that it gave an item out, and then does not answer for it. What was taken over
   * a connection that is lost is therefore removed from the stream, and so is what is not answered for.
   * @param link of the connection over which it was taken
   */
  async #settle(message: StreamMessage, link: AbortSignal): Promise<void> {
    let answered = !link.aborted;
    await this.#broker.ask(`settling an item of ${message.subject}`, async () => {
      if (!answered) return this.#remove(message);
      answered = false;
      await this.#broker.connection.request(message.reply, acknowledge.settled, {
        timeout: requestMilliseconds,
      });
    });
  }

  async #remove({ sequence, data }: StreamMessage): Promise<void> {
    const { streams } = this.#broker.jsm;
    try {
      const present = await streams.getMessage(this.#stream, { seq: sequence });
      // A broker that lost its newest messages gives their numbers to others.
      if (Buffer.compare(present.data, data) === 0)
        await streams.deleteMessage(this.#stream, sequence, false);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Resolves once the broker has read it. One that it forgot it gave out comes again all the same. */
  async #giveBack({ subject, reply }: StreamMessage, delayMilliseconds: number): Promise<void> {
    const answer = delayMilliseconds > 0 ? giveBackAfter(delayMilliseconds) : acknowledge.giveBack;
    await this.#broker.ask(`giving back an item of ${subject}`, () => {
      this.#broker.connection.publish(reply, answer);
      return this.#broker.connection.flush();
    });
  }

  async backlog(job: string): Promise<{ readonly queued: number; readonly taken: number }> {
    const { num_pending, num_ack_pending } = await this.#info(job);
    return { queued: num_pending, taken: num_ack_pending };
  }

  #info(job: string): Promise<ConsumerInfo> {
    return this.#broker.ask(`counting items of ${job}`, async () => {
      await this.#consumer(job);
      try {
        return await this.#broker.jsm.consumers.info(this.#stream, job);
      } catch (error) {
        this.#consumers.delete(job);
        throw error;
      }
    });
  }

  /**
   * Takes and settles what nobody has taken. Purging the stream by the job's subject would drop what is taken, too, and an
   * item whose taker dies then would never be given out again.
   */
  async purge(job: string): Promise<void> {
    const { signal } = new AbortController();
    for (;;) {
      const messages = await this.#broker.attempt(`purging items of ${job}`, () =>
        this.#pull(job, purgedAtOnce, 0, signal),
      );
      const last = messages.at(-1);
      if (!last) {
        if ((await this.#info(job)).num_pending === 0) return;
        continue;
      }
      for (const { reply } of messages) this.#broker.connection.publish(reply, acknowledge.settled);
      // Answers are taken in order: with the last one's all are there.
      await this.#settle(last, this.#broker.link);
    }
  }
}
