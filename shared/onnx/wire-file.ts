/**
 * Walks a protobuf file by position: field numbers and byte ranges, without loading what the fields hold. Models are
 * larger than memory is meant for, and Node reads no file over 2 GiB at once.
 *
 * Source: protobuf documentation, "Encoding" (wire types 0 varint, 1 fixed 64, 2 length-delimited, 5 fixed 32).
 */
import { type FileHandle, open } from "node:fs/promises";
import { DeqfleetError, InputError } from "../errors.js";

/** One field: where its payload lies; `value` is the number of a varint, 0 otherwise. */
export interface WireField {
  readonly number: number;
  readonly wireType: 0 | 1 | 2 | 5;
  readonly value: number;
  readonly start: number;
  readonly end: number;
}

/** Bytes read ahead around a position; tags and lengths are a few bytes each. */
const windowBytes = 16384;

/** No message that is read whole comes near this size; a longer one is garbage taken for a length. */
const largestMessage = 2 ** 28;

/** A protobuf file open for reading. */
export class WireFile {
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  private constructor(
    readonly path: string,
    readonly size: number,
    private readonly handle: FileHandle,
  ) {}

  /**
   * Opens `path`.
   * @throws InputError if it cannot be read or is no file
   */
  static async open(path: string): Promise<WireFile> {
    try {
      const handle = await open(path, "r");
      const found = await handle.stat();
      if (found.isFile()) return new WireFile(path, found.size, handle);
      await handle.close();
    } catch (cause) {
      throw new InputError(`${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
    }
    throw new InputError(`${path} is not a file: name the .onnx file itself`);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  /** The error of a file that is not what it should be. */
  damaged(at: number, found: string): InputError {
    return new InputError(
      `${this.path} is no ONNX model, or it is damaged or cut off: ${found} at byte ${at} of ${this.size}`,
    );
  }

  /** Bytes [start, end) in a buffer of their own. */
  async bytes(start: number, end: number): Promise<Buffer> {
    if (end - start > largestMessage) throw this.damaged(start, `a message of ${end - start} bytes`);
    const buffer = Buffer.alloc(end - start);
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.handle.read(buffer, filled, buffer.length - filled, start + filled);
      if (bytesRead === 0) throw this.damaged(start + filled, "the file ends");
      filled += bytesRead;
    }
    return buffer;
  }

  async #byteAt(at: number): Promise<number> {
    if (at < this.#windowStart || at >= this.#windowStart + this.#window.length) {
      this.#window = await this.bytes(at, Math.min(this.size, at + windowBytes));
      this.#windowStart = at;
    }
    return this.#window[at - this.#windowStart];
  }

  /** A varint and the position after it; values over 2^53 lose low bits, which lengths and codes never need. */
  async #varint(at: number, limit: number): Promise<{ value: number; next: number }> {
    let value = 0;
    for (let index = 0; index < 10; index++) {
      if (at + index >= limit) throw this.damaged(at, "a number is cut off");
      const byte = await this.#byteAt(at + index);
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return { value, next: at + index + 1 };
    }
    throw this.damaged(at, "a number is too long");
  }

  /**
   * The fields of the message that occupies [start, end), in the order of the file.
   * @throws InputError if a field reaches past `end` or has an unknown wire type
   */
  async *fields(start: number, end: number): AsyncGenerator<WireField> {
    for (let at = start; at < end; ) {
      const tag = await this.#varint(at, end);
      const number = Math.floor(tag.value / 8);
      const wireType = tag.value % 8;
      if (number === 0) throw this.damaged(at, "field number 0");
      const field = await this.#payload(number, wireType, tag.next, end);
      if (field.end > end) {
        throw this.damaged(
          at,
          `field ${number} reaches to byte ${field.end}, past the end ${end} of its message`,
        );
      }
      yield field;
      at = field.end;
    }
  }

  async #payload(number: number, wireType: number, at: number, limit: number): Promise<WireField> {
    switch (wireType) {
      case 0: {
        const { value, next } = await this.#varint(at, limit);
        return { number, wireType, value, start: at, end: next };
      }
      case 1:
        return { number, wireType, value: 0, start: at, end: at + 8 };
      case 2: {
        const { value, next } = await this.#varint(at, limit);
        return { number, wireType, value: 0, start: next, end: next + value };
      }
      case 5:
        return { number, wireType, value: 0, start: at, end: at + 4 };
      default:
        throw this.damaged(at, `field ${number} has the unknown wire type ${wireType}`);
    }
  }
}
