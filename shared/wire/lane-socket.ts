/**
 * The messages of rounds between processes of one machine: the same protobuf messages as in gRPC streams, over a socket of
 * the file system. A lane saves a round the copying of its tensors, this saves what is left: a command and its answer cost a worker's
 * main thread 0.6 ms of processor time in gRPC's JavaScript, which this leaves out altogether.
 *
 * A worker's engine thread connects and says which lane it has found; the coordinator acknowledges by an empty frame.
 * Every frame lies behind its length.
 */
import { unlinkSync } from "node:fs";
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { RetryableError } from "../errors.js";
import { protocolDefinition } from "./definition.js";
import type { MessageSource } from "./frame-stream.js";
import type { Chunk__Output } from "./generated/deqfleet/v1/Chunk.js";
import type { SliceCommand, SliceCommand__Output } from "./generated/deqfleet/v1/SliceCommand.js";
import type { SliceEvent, SliceEvent__Output } from "./generated/deqfleet/v1/SliceEvent.js";
import { laneName } from "./tensor-lane.js";
import { wireCounter } from "./wire-traffic.js";

/** Bytes of a frame's length. */
const lengthBytes = 4;
/** Largest frame taken: a tensor's first megabyte with its header, with room to spare. */
const largestFrame = 4 * 1024 * 1024;

/** Milliseconds either side waits for the other to speak first. */
const greetingMilliseconds = 5_000;

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
  return { encode, decode };
}

const commands = codecOf<SliceCommand, SliceCommand__Output>("deqfleet.v1.Exchange", "FollowSlice");
const events = codecOf<SliceEvent, SliceEvent__Output>("deqfleet.v1.Worker", "OpenSlice");

/** Frames of one connection, in order. */
class Frames {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  readonly #frames: Buffer[] = [];
  #waiting: ((frame: Buffer | undefined) => void) | undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data) => this.#take(data));
    // What is wrong with it, its end says as well.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#ended = true;
      this.#waiting?.(undefined);
    });
  }

  #take(data: Buffer): void {
    let rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    while (rest.length >= lengthBytes) {
      const end = lengthBytes + rest.readUInt32LE();
      if (end > largestFrame) {
        this.#socket.destroy();
        return;
      }
      if (rest.length < end) break;
      const frame = rest.subarray(lengthBytes, end);
      rest = rest.subarray(end);
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting) waiting(frame);
      else this.#frames.push(frame);
    }
    this.#rest = rest;
  }

  write(frame: Uint8Array): void {
    const bytes = Buffer.allocUnsafe(lengthBytes + frame.length);
    bytes.writeUInt32LE(frame.length);
    bytes.set(frame, lengthBytes);
    this.#socket.write(bytes);
  }

  /** The next frame; undefined when the connection has ended. */
  next(): Promise<Buffer | undefined> {
    const frame = this.#frames.shift();
    if (frame || this.#ended) return Promise.resolve(frame);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One side of a connection: it sends messages of one kind and receives those of the other. */
export class LaneSocket<Sent, Received extends { chunk?: Chunk__Output | null }>
  implements MessageSource<Received>
{
  readonly #frames: Frames;
  readonly #encode: Encode<Sent>;
  readonly #decode: Decode<Received>;

  constructor(frames: Frames, encode: Encode<Sent>, decode: Decode<Received>) {
    this.#frames = frames;
    this.#encode = encode;
    this.#decode = decode;
  }

  /** Hands messages to the system, which buffers what the peer has not taken yet. */
  async write(messages: readonly Sent[]): Promise<void> {
    for (const message of messages) this.#frames.write(this.#encode(message));
  }

  async next(): Promise<Received | undefined> {
    const frame = await this.#frames.next();
    return frame && this.#decode(frame);
  }

  readonly nextChunk = async (): Promise<Chunk__Output> => {
    const chunk = (await this.next())?.chunk;
    if (!chunk) throw new RetryableError("the connection ended, or went on, in the middle of a tensor");
    return chunk;
  };

  close(): void {
    this.#frames.close();
  }
}

/** The coordinator's side. */
export type CommandSocket = LaneSocket<SliceCommand, SliceEvent__Output>;
/** The worker's side. */
export type EventSocket = LaneSocket<SliceEvent, SliceCommand__Output>;

/** Where workers of this machine come for the rounds of their slices. */
export class LaneHall {
  /** By which workers find it, in the folder of the lanes. */
  readonly name: string;
  readonly #server: Server;
  readonly #path: string;
  /** Connections that were announced by their lane's name and not yet taken. */
  readonly #arrived = new Map<string, CommandSocket>();
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, name: string, path: string) {
    this.#server = server;
    this.name = name;
    this.#path = path;
    // A connection that cannot be taken (no descriptor is left) is its worker's to do without; unheard it would end this process.
    server.on("error", () => {});
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      void this.#greet(socket);
    });
  }

  /** Opens one. @returns undefined if the folder takes no sockets */
  static async open(folder: string): Promise<LaneHall | undefined> {
    const name = laneName();
    const path = join(folder, name);
    const server = createServer();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ path, readableAll: false, writableAll: false }, resolve);
      });
    } catch {
      return undefined;
    }
    // It keeps nobody from ending: its coordinator's servers do.
    server.unref();
    return new LaneHall(server, name, path);
  }

  async #greet(socket: Socket): Promise<void> {
    socket.setTimeout(greetingMilliseconds, () => socket.destroy());
    const frames = new Frames(socket);
    const lane = (await frames.next())?.toString("utf8");
    if (lane === undefined) return;
    socket.setTimeout(0);
    this.#arrived.set(lane, new LaneSocket(frames, commands.encode, events.decode));
    socket.on("close", () => this.#arrived.delete(lane));
    frames.write(new Uint8Array());
  }

  /** The connection of the worker that has found a lane; undefined if none came. */
  take(lane: string): CommandSocket | undefined {
    const socket = this.#arrived.get(lane);
    this.#arrived.delete(lane);
    return socket;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    try {
      unlinkSync(this.#path);
    } catch {
      // Node removes the name of a socket that it closes.
    }
  }
}

/**
 * Connects to a coordinator of this machine.
 * @param path of its socket
 * @param lane that this worker has found
 * @returns undefined if there is no such socket here, or nobody answers
 */
export async function followLane(path: string, lane: string): Promise<EventSocket | undefined> {
  const socket = dial({ path });
  socket.setTimeout(greetingMilliseconds, () => socket.destroy());
  const frames = new Frames(socket);
  frames.write(Buffer.from(lane));
  const greeting = await frames.next();
  if (!greeting) return undefined;
  socket.setTimeout(0);
  return new LaneSocket(frames, events.encode, commands.decode);
}
