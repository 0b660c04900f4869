/** Pulling messages of a consumer: exactly as many as asked for, so that none lies in a buffer while its time runs out. */
import { createInbox, type Msg, NatsError } from "nats";
import type { Broker } from "./broker.js";

/** A message of a stream as a consumer delivers it. */
export interface StreamMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Msg["headers"];
  /** Number in the stream, and among the consumer's deliveries. */
  readonly sequence: number;
  readonly consumerSequence: number;
  /** 1 for the first time it is delivered. */
  readonly delivery: number;
  /** Where acknowledgements go. */
  readonly reply: string;
}

/** Sent to a message's reply subject. */
export const acknowledge = { settled: "+ACK", working: "+WPI", giveBack: "-NAK" } as const;

/** @param delayMilliseconds before it is delivered again */
export const giveBackAfter = (delayMilliseconds: number): string =>
  `${acknowledge.giveBack} ${JSON.stringify({ delay: Math.round(delayMilliseconds * 1e6) })}`;

/**
 * The reply subject carries the delivery's numbers: $JS.ACK.<stream>.<consumer>.<delivery>.<sequence>.<consumer sequence>.<time>.
 * <pending>, or the same with <domain>.<account> before the stream, and a random token behind.
 */
function streamMessage({ subject, data, headers, reply = "" }: Msg): StreamMessage {
  const tokens = reply.split(".");
  const first = tokens.length === 9 ? 4 : 6;
  const [delivery, sequence, consumerSequence] = tokens.slice(first, first + 3).map(Number);
  return { subject, data, headers, sequence, consumerSequence, delivery, reply };
}

interface Pull {
  readonly stream: string;
  readonly consumer: string;
  /** At most so many. */
  readonly batch: number;
  /** How long the broker waits for the first; 0 for those that are there. */
  readonly expiresMilliseconds: number;
  readonly signal: AbortSignal;
}

/** Beyond the time the broker was given. */
const graceMilliseconds = 2000;

/**
 * One pull request. Ends early when the signal aborts or the connection is lost.
 * @throws NatsError if the consumer is not there
 */
function pullOnce(broker: Broker, pull: Pull): Promise<StreamMessage[]> {
  const { connection, link } = broker;
  if (link.aborted) return Promise.reject(NatsError.errorForCode("DISCONNECT"));
  return new Promise((resolve, reject) => {
    const messages: StreamMessage[] = [];
    let over = false;
    const finish = (error?: Error) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      pull.signal.removeEventListener("abort", leave);
      link.removeEventListener("abort", leave);
      if (error && messages.length === 0) reject(error);
      else resolve(messages);
    };
    /** Nobody waits any more; what is on its way nevertheless goes back at once. */
    const leave = () => {
      finish();
      subscription.drain().catch(() => {});
    };
    const subscription = connection.subscribe(createInbox(), {
      callback: (error, message) => {
        if (error) return finish(error);
        const status = message.data.length === 0 ? (message.headers?.code ?? 0) : 0;
        if (status === 0) {
          if (over) message.respond(acknowledge.giveBack);
          else messages.push(streamMessage(message));
          if (messages.length < pull.batch) return;
        } else if (status === 100) return;
        subscription.unsubscribe();
        const answered = status === 0 || status === 404 || status === 408;
        finish(
          answered
            ? undefined
            : new NatsError(message.headers?.description || "no such consumer", String(status)),
        );
      },
    });
    const timer = setTimeout(leave, pull.expiresMilliseconds + graceMilliseconds);
    pull.signal.addEventListener("abort", leave);
    link.addEventListener("abort", leave);
    const wait =
      pull.expiresMilliseconds > 0
        ? { expires: Math.round(pull.expiresMilliseconds * 1e6) }
        : { no_wait: true };
    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${pull.stream}.${pull.consumer}`,
      JSON.stringify({ batch: pull.batch, ...wait }),
      { reply: subscription.getSubject() },
    );
  });
}

/**
 * Messages that are there, or, if there are none, the first that comes within the time.
 * @throws NatsError if the consumer is not there
 */
export async function pullSome(broker: Broker, pull: Pull): Promise<StreamMessage[]> {
  const there = await pullOnce(broker, { ...pull, expiresMilliseconds: 0 });
  if (there.length > 0 || pull.expiresMilliseconds <= 0 || pull.signal.aborted || broker.link.aborted)
    return there;
  return pullOnce(broker, { ...pull, batch: 1 });
}
