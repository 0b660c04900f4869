/**
 * A file read by position. Checkpoints are larger than memory should hold and larger than the 2 GiB that Node's readFile
 * takes, so every reader here asks for the bytes it needs and says what they are for.
 */
import type { Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { DeqfleetError, FatalError, InputError } from "../errors.js";

/** Bytes of one read call and of one step of a conversion: large enough to stream, small beside any budget. */
export const chunkBytes = 4 * 2 ** 20;

/** An open regular file of known size. */
export class PositionedFile {
  /** The path as the user named it; every message starts with it. */
  readonly path: string;
  /** Size in bytes when it was opened. */
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** @throws InputError if there is no such file, it may not be read or is no regular file */
  static async open(path: string): Promise<PositionedFile> {
    let handle: FileHandle;
    try {
      handle = await open(path, "r");
    } catch (cause) {
      throw new InputError(`${path}: cannot be opened (${DeqfleetError.messageOf(cause)})`, { cause });
    }
    const stat = await handle.stat();
    if (!stat.isFile()) {
      await handle.close();
      throw new InputError(`${path}: is no regular file; name a checkpoint file or a folder with one`);
    }
    return new PositionedFile(path, stat.size, handle);
  }

  /**
   * Fills `target` with the bytes from `position` on.
   * @param what what the bytes are, for the message
   * @throws InputError if the file ends before; FatalError if the disk fails
   */
  async readInto(target: Uint8Array, position: number, what: string): Promise<void> {
    this.requireRange(position, target.byteLength, what);
    for (let done = 0; done < target.byteLength; ) {
      const length = Math.min(chunkBytes, target.byteLength - done);
      const bytesRead = await this.#readOnce(target.subarray(done, done + length), position + done);
      if (bytesRead === 0) {
        throw new InputError(`${this.path}: was cut short while ${what} was being read; copy it again`);
      }
      done += bytesRead;
    }
  }

  /** `length` fresh bytes from `position` on; errors as {@link readInto}. */
  async read(position: number, length: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
    // Before the allocation: a damaged length must not ask for gigabytes.
    this.requireRange(position, length, what);
    const bytes = new Uint8Array(length);
    await this.readInto(bytes, position, what);
    return bytes;
  }

  /** @throws InputError if `length` bytes from `position` on do not lie in the file */
  requireRange(position: number, length: number, what: string): void {
    if (position >= 0 && length >= 0 && position + length <= this.size) return;
    throw new InputError(
      `${this.path}: ${what} lies at the bytes ${position} to ${position + length}, the file has ${this.size}; ` +
        "it is truncated or damaged, copy it again",
    );
  }

  /** Feeds the whole file to `hash`, chunk by chunk. */
  async hashInto(hash: Hash): Promise<void> {
    const chunk = new Uint8Array(Math.min(chunkBytes, this.size));
    for (let at = 0; at < this.size; at += chunk.byteLength) {
      const part = chunk.subarray(0, Math.min(chunk.byteLength, this.size - at));
      await this.readInto(part, at, "the file's hash");
      hash.update(part);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #readOnce(target: Uint8Array, position: number): Promise<number> {
    try {
      return (await this.#handle.read(target, 0, target.byteLength, position)).bytesRead;
    } catch (cause) {
      throw new FatalError(`${this.path}: reading failed (${DeqfleetError.messageOf(cause)})`, { cause });
    }
  }
}
