import { PassThrough, Readable, Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { RetryableError } from "../errors.js";
import { FrameReader, FrameWriter } from "./frame-stream.js";
import type { Chunk__Output } from "./generated/deqfleet/v1/Chunk.js";

interface Frame {
  readonly name?: string;
  readonly chunk?: Chunk__Output;
}

const chunk = (text: string): Frame => ({ chunk: { data: Buffer.from(text) } });

describe("FrameReader", () => {
  it("reads messages in order, then undefined", async () => {
    const reader = new FrameReader<Frame>(Readable.from([{ name: "a" }, chunk("b"), { name: "c" }]));
    expect(await reader.next()).toEqual({ name: "a" });
    expect((await reader.nextChunk()).data.toString()).toBe("b");
    expect(await reader.next()).toEqual({ name: "c" });
    expect(await reader.next()).toBeUndefined();
    expect(await reader.next()).toBeUndefined();
  });

  it("refuses another message, or the end, where a chunk is due", async () => {
    const other = new FrameReader<Frame>(Readable.from([{ name: "a" }]));
    await expect(other.nextChunk()).rejects.toThrow(RetryableError);
    const ended = new FrameReader<Frame>(Readable.from([]));
    await expect(ended.nextChunk()).rejects.toThrow(/in the middle of a tensor/);
  });

  it("reports an error of the stream to whoever reads, even one that came between reads", async () => {
    const stream = new PassThrough({ objectMode: true });
    const reader = new FrameReader<Frame>(stream);
    stream.write({ name: "a" });
    expect(await reader.next()).toEqual({ name: "a" });
    stream.destroy(new Error("reset"));
    await turn();
    await expect(reader.next()).rejects.toThrow("reset");
  });
});

/** A slow peer: takes a message only when told to. */
class SlowPeer extends Writable {
  readonly taken: Frame[] = [];
  #resume: (() => void) | undefined;

  constructor() {
    super({ objectMode: true, highWaterMark: 1 });
  }

  override _write(frame: Frame, _encoding: BufferEncoding, done: () => void): void {
    this.taken.push(frame);
    this.#resume = done;
  }

  async take(): Promise<void> {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
    await turn();
  }
}

const named = (...names: string[]): Frame[] => names.map((name) => ({ name }));

describe("FrameWriter", () => {
  it("waits while the peer is slow, and keeps the order of writes made side by side", async () => {
    const peer = new SlowPeer();
    const writer = new FrameWriter<Frame>(peer);
    let finished = 0;
    const writes = [named("a", "b"), named("c"), named("d")].map((frames) =>
      writer.write(frames).then(() => {
        finished++;
      }),
    );
    await turn();
    expect(peer.taken).toEqual(named("a"));
    expect(finished).toBe(0);
    await peer.take();
    expect(peer.taken).toEqual(named("a", "b"));
    for (let i = 0; i < 4; i++) await peer.take();
    await Promise.all(writes);
    expect(peer.taken).toEqual(named("a", "b", "c", "d"));
    expect(peer.listenerCount("drain") + peer.listenerCount("close") + peer.listenerCount("cancelled")).toBe(
      0,
    );
  });

  it.each(["close", "cancelled"])("gives up waiting when the stream says %s", async (event) => {
    const peer = new SlowPeer();
    const writer = new FrameWriter<Frame>(peer);
    const write = writer.write(named("a", "b"));
    const later = writer.write(named("c"));
    await turn();
    if (event === "close") peer.destroy();
    else {
      peer.emit("cancelled");
      peer.destroy();
    }
    await expect(write).rejects.toThrow(RetryableError);
    await expect(later).rejects.toThrow(/closed/);
    expect(peer.taken).toEqual(named("a"));
  });

  it("refuses to write to a stream that is closed or ended", async () => {
    const closed = new SlowPeer();
    closed.destroy();
    await expect(new FrameWriter<Frame>(closed).write(named("a"))).rejects.toThrow(RetryableError);
    const ended = new SlowPeer();
    ended.end();
    await expect(new FrameWriter<Frame>(ended).write(named("a"))).rejects.toThrow(RetryableError);
    expect(ended.taken).toEqual([]);
  });

  it("reports an error of the stream while it waits", async () => {
    const peer = new SlowPeer();
    const write = new FrameWriter<Frame>(peer).write(named("a"));
    await turn();
    peer.destroy(new Error("reset"));
    await expect(write).rejects.toThrow("reset");
  });
});
