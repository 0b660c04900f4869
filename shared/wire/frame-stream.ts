/** The two ends of a stream of messages whose tensors may continue in chunks. */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { RetryableError } from "../errors.js";
import type { Chunk__Output } from "./generated/deqfleet/v1/Chunk.js";

/** Messages in order, wherever they come from. */
export interface MessageSource<Message> {
  /** The next message; undefined at the end. */
  next(): Promise<Message | undefined>;
  /** The next message, which has to be a chunk. @throws RetryableError if it is not */
  nextChunk(): Promise<Chunk__Output>;
  /** The next frame, which has to be the values of a tensor, from the beginning of their buffer on; not in streams of gRPC. @throws RetryableError if there is none */
  nextTensor?(): Promise<Uint8Array<ArrayBuffer>>;
}

/** Reads messages in order. */
export class FrameReader<Message extends { chunk?: Chunk__Output | null }> implements MessageSource<Message> {
  readonly #frames: AsyncIterator<Message>;

  constructor(stream: Readable) {
    // The iterator reports errors to whoever reads; without a listener one that arrives between reads would be thrown.
    stream.on("error", () => {});
    this.#frames = stream[Symbol.asyncIterator]() as AsyncIterator<Message>;
  }

  /** The next message; undefined at the end of the stream. Rejects with the stream's error. */
  async next(): Promise<Message | undefined> {
    const { value, done } = await this.#frames.next();
    return done ? undefined : value;
  }

  /** The next message, which has to be a chunk. @throws RetryableError if it is not */
  readonly nextChunk = async (): Promise<Chunk__Output> => {
    const chunk = (await this.next())?.chunk;
    if (!chunk) throw new RetryableError("the stream ended, or went on, in the middle of a tensor");
    return chunk;
  };
}

/** Writes messages in order, waiting while the peer is slow to take them. */
export class FrameWriter<Message> {
  readonly #stream: Writable;
  #last: Promise<void> = Promise.resolve();

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Resolves when all messages are handed to the transport. @throws RetryableError if the stream is closed */
  write(messages: readonly Message[]): Promise<void> {
    const written = this.#last.then(async () => {
      for (const message of messages) {
        if (this.#stream.destroyed || this.#stream.writableEnded)
          throw new RetryableError("the stream was closed");
        if (!this.#stream.write(message)) await this.#drained();
      }
    });
    this.#last = written.catch(() => {});
    return written;
  }

  async #drained(): Promise<void> {
    const settled = new AbortController();
    const { signal } = settled;
    const closed = Promise.race([
      once(this.#stream, "close", { signal }),
      // A server call that is cancelled by its client announces it so.
      once(this.#stream, "cancelled", { signal }),
    ]).then(() => {
      throw new RetryableError("the stream was closed");
    });
    try {
      await Promise.race([once(this.#stream, "drain", { signal }), closed]);
    } finally {
      settled.abort();
    }
  }
}
