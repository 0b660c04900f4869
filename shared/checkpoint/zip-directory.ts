/**
 * The directory of a zip file, ZIP64 included, read by position: PyTorch's checkpoints are zips of stored entries.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 and 4.3.15 (ZIP64),
 * 4.3.16 (end of central directory).
 */
import { inflateRawSync } from "node:zlib";
import { DeqfleetError, InputError } from "../errors.js";
import type { PositionedFile } from "./positioned-file.js";

/** One file of the zip. */
export interface ZipEntry {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly encrypted: boolean;
  readonly storedBytes: number;
  readonly bytes: number;
  /** Position of the local header. */
  readonly header: number;
}

const endSignature = 0x06054b50;
const endBytes = 22;
const end64Signature = 0x06064b50;
const end64Bytes = 56;
const locatorSignature = 0x07064b50;
const locatorBytes = 20;
const centralSignature = 0x02014b50;
const centralBytes = 46;
const localSignature = 0x04034b50;
const localBytes = 30;
/** A field with this value has its true one in the ZIP64 records. */
const in64 = 0xffffffff;

/** A directory of a million entries is no checkpoint's. */
const maxDirectoryBytes = 64 * 2 ** 20;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A 64-bit field; beyond 2^53 it is Infinity, which no range check lets through. */
const uint64 = (view: DataView, at: number): number => {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.POSITIVE_INFINITY;
};

const damaged = (file: PositionedFile, what: string): InputError =>
  new InputError(`${file.path}: ${what}; the zip file is damaged or truncated, copy it again`);

interface DirectoryPlace {
  position: number;
  bytes: number;
  entries: number;
}

const findDirectory = async (file: PositionedFile): Promise<DirectoryPlace> => {
  const tailBytes = Math.min(file.size, endBytes + 0xffff);
  const tailStart = file.size - tailBytes;
  const tail = viewOf(await file.read(tailStart, tailBytes, "the zip directory"));
  let end = tailBytes - endBytes;
  // The record ends the file but for a comment whose length it states.
  const isEnd = (at: number) =>
    tail.getUint32(at, true) === endSignature && at + endBytes + tail.getUint16(at + 20, true) === tailBytes;
  while (end >= 0 && !isEnd(end)) end--;
  if (end < 0) throw damaged(file, "there is no zip directory at its end");
  const locator = tailStart + end - locatorBytes;
  if (locator >= 0) {
    const record = viewOf(await file.read(locator, locatorBytes, "the ZIP64 locator"));
    if (record.getUint32(0, true) === locatorSignature) {
      const end64 = viewOf(await file.read(uint64(record, 8), end64Bytes, "the ZIP64 directory record"));
      if (end64.getUint32(0, true) !== end64Signature)
        throw damaged(file, "its ZIP64 directory record is missing");
      return { entries: uint64(end64, 32), bytes: uint64(end64, 40), position: uint64(end64, 48) };
    }
  }
  return {
    entries: tail.getUint16(end + 10, true),
    bytes: tail.getUint32(end + 12, true),
    position: tail.getUint32(end + 16, true),
  };
};

/** The fields that a ZIP64 extra field (id 1) holds in place of those that are all ones, in order. */
const widen = (fields: number[], extra: DataView): number[] | undefined => {
  if (!fields.includes(in64)) return fields;
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) !== 1) {
      at += 4 + length;
      continue;
    }
    const wide = fields.filter((field) => field === in64).length;
    if (length < 8 * wide || at + 4 + length > extra.byteLength) return undefined;
    let next = at + 4;
    return fields.map((field) => {
      if (field !== in64) return field;
      next += 8;
      return uint64(extra, next - 8);
    });
  }
  // Exactly 2^32 - 1 without a ZIP64 field is what it says.
  return fields;
};

/** The entries of a zip, read once; their bytes by position. */
export class ZipDirectory {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #file: PositionedFile;

  private constructor(file: PositionedFile, entries: ReadonlyMap<string, ZipEntry>) {
    this.#file = file;
    this.entries = entries;
  }

  /** @throws InputError if the directory is missing, damaged or names an entry twice */
  static async read(file: PositionedFile): Promise<ZipDirectory> {
    const place = await findDirectory(file);
    if (place.bytes > maxDirectoryBytes) throw damaged(file, `its directory claims ${place.bytes} bytes`);
    const bytes = await file.read(place.position, place.bytes, "the zip directory");
    const view = viewOf(bytes);
    const entries = new Map<string, ZipEntry>();
    let at = 0;
    for (let i = 0; i < place.entries; i++) {
      if (at + centralBytes > bytes.byteLength || view.getUint32(at, true) !== centralSignature) {
        throw damaged(file, `entry ${i} of ${place.entries} in its directory is unreadable`);
      }
      const nameBytes = view.getUint16(at + 28, true);
      const extraBytes = view.getUint16(at + 30, true);
      const nameEnd = at + centralBytes + nameBytes;
      const next = nameEnd + extraBytes + view.getUint16(at + 32, true);
      if (next > bytes.byteLength) throw damaged(file, `entry ${i} of its directory is cut off`);
      const name = new TextDecoder().decode(bytes.subarray(at + centralBytes, nameEnd));
      const wide = widen(
        [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)],
        viewOf(bytes.subarray(nameEnd, nameEnd + extraBytes)),
      );
      if (wide === undefined) throw damaged(file, `the ZIP64 field of ${name} is cut off`);
      const [size, storedBytes, header] = wide as [number, number, number];
      // Two entries of one name would let two readers see two checkpoints.
      if (entries.has(name)) throw damaged(file, `its directory names ${name} twice`);
      const flags = view.getUint16(at + 8, true);
      const method = view.getUint16(at + 10, true);
      entries.set(name, { name, method, encrypted: (flags & 1) === 1, storedBytes, bytes: size, header });
      at = next;
    }
    return new ZipDirectory(file, entries);
  }

  /**
   * Position of the first byte of a stored entry. The local header is read for it: PyTorch aligns the bytes through its
   * extra field, which the directory does not show.
   * @throws InputError if the entry is compressed, encrypted or lies outside the file
   */
  async dataPosition(entry: ZipEntry): Promise<number> {
    const { name, method, storedBytes, bytes } = entry;
    if (method !== 0) {
      throw new InputError(
        `${this.#file.path}: ${name} is compressed (method ${method}), PyTorch stores; unpack it and pack it again with zip -0`,
      );
    }
    if (storedBytes !== bytes)
      throw damaged(this.#file, `${name} has ${storedBytes} stored bytes and ${bytes} unpacked`);
    return await this.#bytesPosition(entry);
  }

  /**
   * The bytes of a small entry; a deflated one is inflated.
   * @param limit largest size taken, in bytes
   * @throws InputError if it is larger, damaged or compressed otherwise
   */
  async readSmall(entry: ZipEntry, limit: number): Promise<Uint8Array> {
    const { name, method, storedBytes, bytes } = entry;
    if (bytes > limit || storedBytes > limit) {
      throw new InputError(
        `${this.#file.path}: ${name} has ${Math.max(bytes, storedBytes)} bytes, at most ${limit} are read; it is no checkpoint`,
      );
    }
    if (method !== 8) return await this.#file.read(await this.dataPosition(entry), bytes, name);
    const stored = await this.#file.read(await this.#bytesPosition(entry), storedBytes, name);
    try {
      const inflated = inflateRawSync(stored, { maxOutputLength: Math.max(1, bytes) });
      if (inflated.byteLength === bytes) return inflated;
    } catch (cause) {
      throw new InputError(
        `${this.#file.path}: ${name} does not inflate (${DeqfleetError.messageOf(cause)})`,
        { cause },
      );
    }
    throw damaged(this.#file, `${name} does not inflate to its ${bytes} bytes`);
  }

  async #bytesPosition({ name, header, encrypted, storedBytes }: ZipEntry): Promise<number> {
    if (encrypted) throw new InputError(`${this.#file.path}: ${name} is encrypted; decrypt the file first`);
    const local = viewOf(await this.#file.read(header, localBytes, `the header of ${name}`));
    if (local.getUint32(0, true) !== localSignature)
      throw damaged(this.#file, `${name} has no header at byte ${header}`);
    const position = header + localBytes + local.getUint16(26, true) + local.getUint16(28, true);
    this.#file.requireRange(position, storedBytes, name);
    return position;
  }
}
