/** Frames over a connection: each behind its length, four bytes, little-endian. */
import type { Socket } from "node:net";

/** Bytes of a frame's length. */
export const lengthBytes = 4;

/** Largest frame of a stranger: what names a slice. */
const largestGreeting = 256;

/** Bytes from which on a frame is large: a tensor, of which a peer sends one and waits for an answer. */
const largeFrame = 64 * 1024;

/** Frames of one connection, in order. */
export class Frames {
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  #largest = largestGreeting;
  /** The length that is arriving, and how much of it is there. */
  readonly #length = Buffer.alloc(lengthBytes);
  #lengthAt = 0;
  #large: Uint8Array<ArrayBuffer> | undefined;
  /** The frame that is arriving, from the beginning of a buffer on: a tensor in it is used where it lies. */
  #frame: Uint8Array<ArrayBuffer> | undefined;
  #frameAt = 0;
  readonly #frames: Uint8Array<ArrayBuffer>[] = [];
  #waiting: ((frame: Uint8Array<ArrayBuffer> | undefined) => void) | undefined;
  /** Whether a frame was handed over since the last bytes came: nobody has looked at it yet. */
  #unread = false;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (data) => this.#take(data));
    // What is wrong with it, its end says as well.
    socket.on("error", () => {});
    this.ended = new Promise((resolve) => {
      socket.on("close", () => {
        this.#ended = true;
        this.#waiting?.(undefined);
        resolve();
      });
    });
  }

  /** Takes frames of up to so many bytes from now on; longer ones end the connection. */
  permit(bytes: number): void {
    this.#largest = bytes;
  }

  #take(data: Buffer): void {
    // Whoever waited for a frame has had it since.
    this.#unread = false;
    for (let at = 0; at < data.length; ) {
      if (!this.#frame) {
        const taken = Math.min(lengthBytes - this.#lengthAt, data.length - at);
        data.copy(this.#length, this.#lengthAt, at, at + taken);
        at += taken;
        this.#lengthAt += taken;
        if (this.#lengthAt < lengthBytes) return;
        const length = this.#length.readUInt32LE();
        if (length > this.#largest) {
          this.#socket.destroy();
          return;
        }
        this.#lengthAt = 0;
        this.#frameAt = 0;
        this.#frame = this.#memory(length);
      }
      const taken = Math.min(this.#frame.length - this.#frameAt, data.length - at);
      this.#frame.set(data.subarray(at, at + taken), this.#frameAt);
      at += taken;
      this.#frameAt += taken;
      if (this.#frameAt < this.#frame.length) return;
      const frame = this.#frame;
      this.#frame = undefined;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      this.#unread = true;
      if (waiting) waiting(frame);
      else this.#frames.push(frame);
    }
  }

  /** Memory of a frame: new, or that of the last large one if nothing waits to be read, since every 64 MB of new ones V8 would collect its garbage. */
  #memory(length: number): Uint8Array<ArrayBuffer> {
    // Every byte is written before it is read.
    if (length < largeFrame || this.#unread || this.#frames.length > 0) return Buffer.allocUnsafeSlow(length);
    if (!this.#large || this.#large.length < length) this.#large = Buffer.allocUnsafeSlow(length);
    return this.#large.subarray(0, length);
  }

  /** Hands frames to the system, which keeps what the peer has not taken yet: they must not change before it answers. */
  write(...frames: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const frame of frames) {
      const length = Buffer.allocUnsafe(lengthBytes);
      length.writeUInt32LE(frame.length);
      this.#socket.write(length);
      this.#socket.write(frame);
    }
    this.#socket.uncork();
  }

  /** The next frame, a large one valid until the next large one comes; undefined when the connection has ended. */
  next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
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
