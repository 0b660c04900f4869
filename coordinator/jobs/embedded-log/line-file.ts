/**
 * An append-only file of checksummed lines.
 *
 *     1c291ca3|{"index":0}        the CRC-32 of what follows it, hex; `|` begins a commit, a space goes on with it
 *     9be3e0a3 {"index":1}
 *
 * Appends that come while the disk is busy share the next commit: one write, one fdatasync. A commit is written only when
 * the one before is durable, so whatever a crash leaves half written belongs to the last one, which nobody was promised:
 * opening cuts the file at its first bad line. If a later commit follows that line, the disk has lost what was durable, and
 * opening refuses.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { DeqfleetError, FatalError, RetryableError } from "../../../shared/errors.js";
import { syncFolder } from "../../../shared/sync-folder.js";
import { Change } from "./change.js";

/** Bytes of one commit, unless a single line is larger; bounds what a burst of appends holds in memory twice. */
const commitBytes = 1 << 20;
const readBytes = 1 << 18;
const newline = 0x0a;
const prefixLength = 9;

/** A line as it lies in the file. */
export interface Line {
  /** Offset of its first byte, and of the first behind it. */
  readonly start: number;
  readonly end: number;
  /** What was appended, as JSON. */
  readonly json: string;
  readonly beginsCommit: boolean;
}

interface Pending {
  readonly lines: readonly string[];
  resolve(): void;
  reject(error: DeqfleetError): void;
}

function encode(json: string, beginsCommit: boolean): string {
  const body = `${beginsCommit ? "|" : " "}${json}`;
  return `${crc32(body).toString(16).padStart(8, "0")}${body}\n`;
}

/** @param bytes without the newline. @returns undefined if the checksum does not match */
function decode(bytes: Buffer, start: number): Line | undefined {
  if (bytes.length < prefixLength) return undefined;
  const body = bytes.subarray(prefixLength - 1);
  if (bytes.toString("latin1", 0, prefixLength - 1) !== crc32(body).toString(16).padStart(8, "0"))
    return undefined;
  const json = body.toString("utf8", 1);
  return { start, end: start + bytes.length + 1, json, beginsCommit: body[0] === 0x7c };
}

/** The complete lines between two offsets, bad ones as undefined, in groups of about {@link readBytes}. */
async function* linesOf(handle: FileHandle, from: number, to: number) {
  let position = from;
  let wanted = readBytes;
  while (position < to) {
    const buffer = Buffer.allocUnsafe(Math.min(wanted, to - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    const chunk = buffer.subarray(0, bytesRead);
    const lines: (Line | { readonly start: number; readonly end: number; readonly json: undefined })[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = decode(chunk.subarray(start, end), position + start);
      lines.push(line ?? { start: position + start, end: position + end + 1, json: undefined });
      start = end + 1;
    }
    if (start === 0 && (bytesRead === 0 || position + bytesRead >= to)) return;
    wanted = start === 0 ? 2 * wanted : readBytes;
    position += start;
    if (lines.length > 0) yield lines;
  }
}

export class LineFile {
  readonly path: string;
  #handle: FileHandle;
  #bytes = 0;
  #count = 0;
  #pending: Pending[] = [];
  #committing: Promise<void> | undefined;
  #broken: DeqfleetError | undefined;
  #closed = false;
  readonly #grown = new Change();

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /**
   * Opens a file, or makes it, and cuts off what a crash left half written.
   * @param visit sees every line, in order
   * @throws FatalError if lines that were durable are damaged
   */
  static async open(path: string, visit: (line: Line) => void = () => {}): Promise<LineFile> {
    const file = new LineFile(path, await open(path, constants.O_RDWR | constants.O_CREAT, 0o644));
    try {
      await file.#recover(visit);
      await syncFolder(dirname(path));
    } catch (cause) {
      await file.#handle.close();
      throw cause;
    }
    return file;
  }

  async #recover(visit: (line: Line) => void): Promise<void> {
    const { size } = await this.#handle.stat();
    let damagedAt: number | undefined;
    for await (const lines of linesOf(this.#handle, 0, size)) {
      for (const line of lines) {
        if (line.json === undefined) damagedAt ??= line.start;
        else if (damagedAt === undefined) {
          visit(line);
          this.#bytes = line.end;
          this.#count++;
        } else if (line.beginsCommit) {
          throw new FatalError(
            `${this.path} is damaged at byte ${damagedAt}, in lines that were durable: the disk lost them. ` +
              "Restore the file from a backup, or move its folder away to begin anew",
          );
        }
      }
    }
    if (this.#bytes === size) return;
    await this.#handle.truncate(this.#bytes);
    await this.#handle.datasync();
  }

  /** Bytes and lines that are durable. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Appends values as lines of JSON, all or (after an error) none. Resolves when they are durable.
   * @throws RetryableError if the disk is full, FatalError once it failed to make lines durable
   */
  append(values: readonly unknown[]): Promise<void> {
    if (values.length === 0) return Promise.resolve();
    if (this.#closed) return Promise.reject(new FatalError(`${this.path} is closed`));
    const lines = values.map((value) => JSON.stringify(value));
    return new Promise((resolve, reject) => {
      this.#pending.push({ lines, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    // Lets everything that is appended in this turn of the event loop into the first commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) {
      const commit: Pending[] = [];
      const parts: string[] = [];
      let length = 0;
      for (const entry of this.#pending) {
        if (commit.length > 0 && length >= commitBytes) break;
        commit.push(entry);
        for (const json of entry.lines) {
          const line = encode(json, parts.length === 0);
          parts.push(line);
          length += line.length;
        }
      }
      this.#pending.splice(0, commit.length);
      try {
        await this.#commit(Buffer.from(parts.join("")), parts.length);
      } catch (cause) {
        const error =
          cause instanceof DeqfleetError
            ? cause
            : new RetryableError(`${this.path} cannot be written: ${DeqfleetError.messageOf(cause)}`, {
                cause,
              });
        for (const { reject } of commit) reject(error);
        continue;
      }
      for (const { resolve } of commit) resolve();
      this.#grown.announce();
    }
    this.#committing = undefined;
  }

  async #commit(bytes: Buffer, count: number): Promise<void> {
    if (this.#broken) throw this.#broken;
    try {
      for (let written = 0; written < bytes.length; ) {
        const position = this.#bytes + written;
        written += (await this.#handle.write(bytes, written, bytes.length - written, position)).bytesWritten;
      }
    } catch (cause) {
      // What was written of this commit must not stand between the last and the next.
      await this.#handle.truncate(this.#bytes).catch((error: unknown) => {
        throw this.#break(error);
      });
      throw cause;
    }
    // After a failed sync the kernel may have dropped the pages: a second one would report success for nothing.
    await this.#handle.datasync().catch((error: unknown) => {
      throw this.#break(error);
    });
    this.#bytes += bytes.length;
    this.#count += count;
  }

  #break(cause: unknown): FatalError {
    const message = `${this.path} can no longer be made durable: ${DeqfleetError.messageOf(cause)}`;
    const error = new FatalError(message, { cause });
    this.#broken = error;
    return error;
  }

  /** The durable lines from an offset on, those that become durable meanwhile included, in groups. */
  async *read(from = 0): AsyncGenerator<readonly Line[], void, undefined> {
    let position = from;
    while (position < this.#bytes) {
      for await (const lines of linesOf(this.#handle, position, this.#bytes)) {
        const sound = lines.filter((line): line is Line => line.json !== undefined);
        if (sound.length < lines.length) {
          const { start } = lines.find(({ json }) => json === undefined) ?? { start: position };
          throw new FatalError(
            `${this.path} is damaged at byte ${start}: the disk lost lines that were durable`,
          );
        }
        position = sound[sound.length - 1].end;
        yield sound;
      }
    }
  }

  /** Waits for lines behind an offset. @returns false if the signal aborts or the file is closed before there are any */
  async growsBeyond(offset: number, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted && !this.#closed) {
      if (this.#bytes > offset) return true;
      await this.#grown.next(signal);
    }
    return false;
  }

  /**
   * Replaces everything by these values, or, after a crash or an error, nothing. Not to be called while lines are appended or
   * read.
   */
  async rewrite(values: Iterable<unknown>): Promise<void> {
    const temporary = `${this.path}.new`;
    const handle = await open(temporary, "w+", 0o644);
    let count = 0;
    let bytes = 0;
    try {
      for (const value of values) {
        const line = Buffer.from(encode(JSON.stringify(value), true));
        await handle.appendFile(line);
        bytes += line.length;
        count++;
      }
      await handle.sync();
      await rename(temporary, this.path);
    } catch (cause) {
      await handle.close();
      throw cause;
    }
    const old = this.#handle;
    this.#handle = handle;
    this.#bytes = bytes;
    this.#count = count;
    await old.close();
    // What is appended from here on is lost with the name.
    await syncFolder(dirname(this.path)).catch((cause: unknown) => {
      throw this.#break(cause);
    });
  }

  /** Waits for what was appended, then closes the file. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#grown.announce();
    await this.#committing;
    await this.#handle.close();
  }
}
