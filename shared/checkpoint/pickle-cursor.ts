/** Reads the arguments of pickle opcodes from bytes; every length is checked against what is left before it is believed. */
import { InputError } from "../errors.js";

/** The bytes end inside the pickle: with more of the file it may go on. */
export class PickleEndsEarly extends InputError {}

/** A leading byte order mark is part of a name like any other. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Longest line of a GLOBAL: module and class names are short. */
const maxLine = 1024;

/** Longest integer, in bytes; seeds and timestamps are shorter. Converting takes time in the square of it. */
const maxLong = 1024;

/** A position in the bytes of a pickle. */
export class PickleCursor {
  /** The next byte to be read. */
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #source: string;

  constructor(bytes: Uint8Array, position: number, source: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#source = source;
    this.position = position;
  }

  /** A view of the next `length` bytes. @throws PickleEndsEarly */
  bytes(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  /** Above 2^53 inexact, and longer than any file. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  /** Pickle floats are big-endian. */
  float64(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** UTF-8 text of `length` bytes; lone surrogates, which Python may pickle, become U+FFFD. */
  text(length: number): string {
    return utf8.decode(this.bytes(length));
  }

  /** Bytes of a Python 2 string, one character each. */
  latin1(length: number): string {
    return Buffer.from(this.bytes(length)).toString("latin1");
  }

  /** Text up to a newline, which is consumed. */
  line(): string {
    const end = this.#bytes.indexOf(10, this.position);
    const length = (end < 0 ? this.#bytes.byteLength : end) - this.position;
    if (length > maxLine) {
      throw new InputError(
        `${this.#source}: a name in the pickle is longer than ${maxLine} bytes; it is damaged`,
      );
    }
    const text = this.text(length);
    this.#skip(1);
    return text;
  }

  /** A little-endian two's complement integer of `length` bytes. */
  long(length: number): number | bigint {
    if (length < 0 || length > maxLong) {
      throw new InputError(`${this.#source}: an integer in the pickle claims ${length} bytes; it is damaged`);
    }
    let value = 0n;
    const bytes = this.bytes(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  /** Position before the next `length` bytes, which are passed over. */
  #skip(length: number): number {
    const at = this.position;
    if (!(length >= 0 && at + length <= this.#bytes.byteLength)) {
      throw new PickleEndsEarly(
        `${this.#source}: the pickle claims ${length} bytes at its byte ${at}, of ${this.#bytes.byteLength}; it is truncated or damaged`,
      );
    }
    this.position = at + length;
    return at;
  }
}
