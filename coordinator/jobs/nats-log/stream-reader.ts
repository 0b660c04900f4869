/**
 * Reads a stream's messages in order, none twice and none left out, across reconnections and restarts of the broker: a
 * consumer in the broker's memory, made anew behind the last message read whenever it is gone or skipped one.
 */
import { AckPolicy, DeliverPolicy, nuid, ReplayPolicy } from "nats";
import { RetryableError } from "../../../shared/errors.js";
import { type Broker, isNotFound } from "./broker.js";
import { pullSome, type StreamMessage } from "./pull.js";

const batch = 256;
/** Each pull; a lost one is asked again after this. */
const pullMilliseconds = 5000;
/** A reader that stopped without a word leaves its consumer for this long. */
const inactiveNanoseconds = 60e9;

export interface Reading {
  readonly stream: string;
  /** Filter; may hold wildcards. */
  readonly subject: string;
  /** Every message, or the last of each subject to begin with. */
  readonly deliver: "all" | "last-of-each";
  /** Whether to go on with what is still to come. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** Number of the last message; 0 without one. */
async function lastSequence(broker: Broker, { stream, subject }: Reading): Promise<number> {
  return broker.ask(`reading ${subject}`, async () => {
    try {
      return (await broker.jsm.streams.getMessage(stream, { last_by_subj: subject })).seq;
    } catch (error) {
      if (isNotFound(error)) return 0;
      throw error;
    }
  });
}

/** While following, the broker may be away for as long as it likes. */
async function patiently<Result>(
  broker: Broker,
  reading: Reading,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(reading.follow && error instanceof RetryableError)) throw error;
      if (reading.signal.aborted || broker.closed) return undefined;
    }
  }
}

/**
 * Ends without an error when the signal aborts.
 * @throws RetryableError if the broker does not answer, unless following: then it waits for it
 */
export async function* readStream(
  broker: Broker,
  reading: Reading,
): AsyncGenerator<StreamMessage, void, undefined> {
  const { stream, subject, signal } = reading;
  let read = 0;
  let consumer: string | undefined;
  let consumerSequence = 0;

  const newConsumer = async (): Promise<string> => {
    const name = nuid.next();
    const from =
      read > 0
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: read + 1 }
        : {
            deliver_policy: reading.deliver === "all" ? DeliverPolicy.All : DeliverPolicy.LastPerSubject,
          };
    await broker.jsm.consumers.add(stream, {
      name,
      ...from,
      filter_subject: subject,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: inactiveNanoseconds,
    });
    consumerSequence = 0;
    return name;
  };
  const some = async (): Promise<StreamMessage[]> => {
    try {
      consumer ??= await newConsumer();
      const expiresMilliseconds = reading.follow ? pullMilliseconds : 0;
      return await pullSome(broker, { stream, consumer, batch, expiresMilliseconds, signal });
    } catch (error) {
      consumer = undefined;
      throw error;
    }
  };

  try {
    let last = reading.follow ? Number.POSITIVE_INFINITY : await lastSequence(broker, reading);
    while (!signal.aborted && !broker.closed && read < last) {
      const messages = await patiently(broker, reading, () => broker.attempt(`reading ${subject}`, some));
      // The last one may have been removed, or replaced by a later one.
      if (messages?.length === 0 && !reading.follow) last = await lastSequence(broker, reading);
      for (const message of messages ?? []) {
        if (signal.aborted || broker.closed) return;
        if (message.consumerSequence !== consumerSequence + 1) {
          consumer = undefined;
          break;
        }
        consumerSequence++;
        read = message.sequence;
        yield message;
      }
    }
  } finally {
    if (consumer !== undefined && !broker.link.aborted) {
      broker.jsm.consumers.delete(stream, consumer).catch(() => {});
    }
  }
}
