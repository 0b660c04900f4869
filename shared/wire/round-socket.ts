/**
 * The rounds of a slice over a socket of their own, without gRPC: the same protobuf messages as in its streams, and the tensors behind
 * them as they lie in memory. A tensor of 0.8 MB costs 2.4 ms of processor time through gRPC's JavaScript, both sides together, and
 * 0.6 this way; a command and its answer without one 0.6 ms of a worker's main thread, which has nothing to do with them here.
 *
 * A worker's engine thread connects, to a socket of the file system beside the lanes or by TCP, and names its slice's token; the
 * coordinator acknowledges by an empty frame.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { RetryableError } from "../errors.js";
import { protocolDefinition } from "./definition.js";
import type { MessageSource } from "./frame-stream.js";
import { Frames, lengthBytes } from "./frames.js";
import type { Chunk__Output } from "./generated/deqfleet/v1/Chunk.js";
import type { SliceCommand, SliceCommand__Output } from "./generated/deqfleet/v1/SliceCommand.js";
import type { SliceEvent, SliceEvent__Output } from "./generated/deqfleet/v1/SliceEvent.js";
import { wireCounter } from "./wire-traffic.js";

/** Largest message taken: residuals and products of some thousand steps, with room to spare. */
const largestMessage = 4 * 1024 * 1024;

/** Milliseconds either side waits for the other to speak first. */
export const greetingMilliseconds = 5_000;

/** Milliseconds of silence after which the system looks whether the peer is there: an evaluation may take minutes. */
const keepAliveMilliseconds = 15_000;

/** What one stream of the protocol is encoded and counted with. */
type Codec<Sent, Received> = ReturnType<typeof codecOf<Sent, Received>>;

type Encode<Message> = (message: Message) => Buffer;
type Decode<Message> = (bytes: Buffer) => Message;

/** How a stream of the protocol encodes its messages; what is encoded and decoded is counted. */
function codecOf<Sent, Received>(service: string, method: string) {
  const sent = wireCounter("socket", "sent", method);
  const received = wireCounter("socket", "received", method);
  const found = protocolDefinition[service];
  if (!(method in found)) throw new Error(`the protocol has no ${service}/${method}`);
  const { responseSerialize, responseDeserialize } = (found as Record<string, unknown>)[method] as {
    responseSerialize: Encode<Sent>;
    responseDeserialize: Decode<Received>;
  };
  const encode: Encode<Sent> = (message) => {
    const started = performance.now();
    const bytes = responseSerialize(message);
    sent.add(lengthBytes + bytes.length, started);
    return bytes;
  };
  const decode: Decode<Received> = (bytes) => {
    const started = performance.now();
    const message = responseDeserialize(bytes);
    received.add(lengthBytes + bytes.length, started);
    return message;
  };
  return {
    encode,
    decode,
    /** Values behind a message are bytes of that message. */
    valuesSent: (bytes: number) => {
      sent.bytes += lengthBytes + bytes;
    },
    valuesReceived: (bytes: number) => {
      received.bytes += lengthBytes + bytes;
    },
  };
}

export const commandCodec = codecOf<SliceCommand, SliceCommand__Output>(
  "deqfleet.v1.Exchange",
  "FollowSlice",
);
export const eventCodec = codecOf<SliceEvent, SliceEvent__Output>("deqfleet.v1.Worker", "OpenSlice");

/** One side of a connection: it sends messages of one kind and receives those of the other. */
export class RoundSocket<Sent, Received extends { chunk?: Chunk__Output | null }>
  implements MessageSource<Received>
{
  readonly #frames: Frames;
  readonly #out: Pick<Codec<Sent, never>, "encode" | "valuesSent">;
  readonly #in: Pick<Codec<never, Received>, "decode" | "valuesReceived">;

  constructor(
    frames: Frames,
    out: Pick<Codec<Sent, never>, "encode" | "valuesSent">,
    into: Pick<Codec<never, Received>, "decode" | "valuesReceived">,
  ) {
    this.#frames = frames;
    this.#out = out;
    this.#in = into;
    frames.permit(largestMessage);
  }

  /** Takes tensors of up to so many bytes. */
  permit(bytes: number): void {
    this.#frames.permit(Math.max(largestMessage, bytes));
  }

  /**
   * Hands messages to the system, which buffers what the peer has not taken yet.
   * @param behind values of the tensor that the last message announces; they must not change before the peer answers
   */
  async write(messages: readonly Sent[], behind?: Float32Array): Promise<void> {
    const frames: Uint8Array[] = messages.map((message) => this.#out.encode(message));
    if (behind) {
      frames.push(new Uint8Array(behind.buffer, behind.byteOffset, behind.byteLength));
      this.#out.valuesSent(behind.byteLength);
    }
    this.#frames.write(...frames);
  }

  async next(): Promise<Received | undefined> {
    const frame = await this.#frames.next();
    return frame && this.#in.decode(Buffer.from(frame.buffer, 0, frame.length));
  }

  readonly nextChunk = async (): Promise<Chunk__Output> => {
    const chunk = (await this.next())?.chunk;
    if (!chunk) throw new RetryableError("the connection ended, or went on, in the middle of a tensor");
    return chunk;
  };

  /** Valid until the next one comes. */
  readonly nextTensor = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const frame = await this.#frames.next();
    if (!frame) throw new RetryableError("the connection ended in the middle of a tensor");
    this.#in.valuesReceived(frame.length);
    return frame;
  };

  /** Resolves when the connection has ended, for whatever reason. */
  get ended(): Promise<void> {
    return this.#frames.ended;
  }

  close(): void {
    this.#frames.close();
  }
}

/** The coordinator's side. */
export type CommandSocket = RoundSocket<SliceCommand, SliceEvent__Output>;
/** The worker's side. */
export type EventSocket = RoundSocket<SliceEvent, SliceCommand__Output>;

/** Has the system look, on either side, whether the way to the peer is still there: gRPC's own may be while this one is not. */
export const keepAlive = (socket: Socket): unknown => socket.setKeepAlive(true, keepAliveMilliseconds);

/** Why a worker has no socket for a slice's rounds: nobody answered in time, or somebody hung up who does not know the slice. */
export type NoRounds = "unreached" | "refused";

/**
 * Comes to a coordinator for the rounds of a slice.
 * @param socket that dials it
 * @param token of the slice
 */
export async function followRounds(socket: Socket, token: string): Promise<EventSocket | NoRounds> {
  let why: NoRounds = "unreached";
  socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () => {
    why = "refused";
  });
  const limit = setTimeout(() => {
    why = "unreached";
    socket.destroy();
  }, greetingMilliseconds);
  const frames = new Frames(socket);
  frames.write(Buffer.from(token));
  const greeting = await frames.next();
  clearTimeout(limit);
  if (!greeting) return why;
  keepAlive(socket);
  return new RoundSocket(frames, eventCodec, commandCodec);
}
