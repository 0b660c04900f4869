/**
 * Writes zips as PyTorch does: stored entries, written without seeking, their bytes aligned to 64 through the local header,
 * sizes in data descriptors and in a ZIP64 directory.
 * Source: PKWARE APPNOTE 6.3.10; pytorch/caffe2/serialize/inline_container.cc (alignment)
 */
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";

const limit32 = 0xffffffff;
const alignment = 64;

interface WrittenEntry {
  readonly name: Buffer;
  readonly header: number;
  readonly crc: number;
  readonly storedBytes: number;
  readonly bytes: number;
  readonly method: number;
}

/** Where the directory keeps sizes and positions. */
export interface ZipWriterOptions {
  /** ZIP64 records everywhere (as torch.save); false keeps 32 bits as long as they suffice. Default true. */
  readonly zip64?: boolean;
}

/** A zip being written. */
export class ZipWriter {
  readonly #handle: FileHandle;
  readonly #zip64: boolean;
  readonly #entries: WrittenEntry[] = [];
  #position = 0;

  private constructor(handle: FileHandle, zip64: boolean) {
    this.#handle = handle;
    this.#zip64 = zip64;
  }

  static async create(path: string, { zip64 = true }: ZipWriterOptions = {}): Promise<ZipWriter> {
    return new ZipWriter(await open(path, "w"), zip64);
  }

  /**
   * Adds one entry.
   * @param parts the stored bytes, in parts; a part may be overwritten once the next one is asked for
   * @param compressed method 8 and the inflated size, where the parts are deflated
   */
  async add(
    name: string,
    parts: Iterable<Uint8Array>,
    compressed?: { readonly bytes: number },
  ): Promise<void> {
    const header = this.#position;
    const nameBytes = Buffer.from(name, "utf8");
    const method = compressed === undefined ? 0 : 8;
    const unaligned = (header + 30 + nameBytes.byteLength + 4) % alignment;
    const padding = (alignment - unaligned) % alignment;
    const local = Buffer.alloc(30 + nameBytes.byteLength + 4 + padding, "Z");
    local.fill(0, 0, 30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(0x0808, 6);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(nameBytes.byteLength, 26);
    local.writeUInt16LE(4 + padding, 28);
    nameBytes.copy(local, 30);
    local.write("FB", 30 + nameBytes.byteLength);
    local.writeUInt16LE(padding, 32 + nameBytes.byteLength);
    await this.#write(local);
    let crc = 0;
    let storedBytes = 0;
    for (const part of parts) {
      crc = crc32(part, crc);
      storedBytes += part.byteLength;
      await this.#write(part);
    }
    const bytes = compressed?.bytes ?? storedBytes;
    const wide = this.#zip64 || Math.max(bytes, storedBytes) >= limit32;
    const descriptor = Buffer.alloc(wide ? 24 : 16);
    descriptor.writeUInt32LE(0x08074b50, 0);
    descriptor.writeUInt32LE(crc, 4);
    if (wide) {
      descriptor.writeBigUInt64LE(BigInt(storedBytes), 8);
      descriptor.writeBigUInt64LE(BigInt(bytes), 16);
    } else {
      descriptor.writeUInt32LE(storedBytes, 8);
      descriptor.writeUInt32LE(bytes, 12);
    }
    await this.#write(descriptor);
    this.#entries.push({ name: nameBytes, header, crc, storedBytes, bytes, method });
  }

  /** Leaves `bytes` unwritten: a hole, where the file system has holes. */
  skip(bytes: number): void {
    this.#position += bytes;
  }

  /** Writes the directory and closes the file. */
  async finish(): Promise<void> {
    const start = this.#position;
    for (const entry of this.#entries) await this.#write(this.#central(entry));
    const bytes = this.#position - start;
    const count = this.#entries.length;
    const wide = this.#zip64 || start >= limit32 || count >= 0xffff;
    if (wide) await this.#write(this.#end64(start, bytes));
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(wide ? 0xffff : count, 8);
    end.writeUInt16LE(wide ? 0xffff : count, 10);
    end.writeUInt32LE(wide ? limit32 : bytes, 12);
    end.writeUInt32LE(wide ? limit32 : start, 16);
    await this.#write(end);
    await this.#handle.close();
  }

  #central({ name, header, crc, storedBytes, bytes, method }: WrittenEntry): Buffer {
    // In the order APPNOTE 4.5.3 gives them: a field is here where its 32 bits are all ones.
    const fields = [bytes, storedBytes, header].map((value) => ({
      value,
      wide: this.#zip64 || value >= limit32,
    }));
    const wide = fields.filter((field) => field.wide);
    // An extra field of another kind before it: readers have to skip it.
    const extra = Buffer.alloc(wide.length > 0 ? 8 + 4 + 8 * wide.length : 0);
    if (wide.length > 0) {
      extra.writeUInt16LE(0x4246, 0);
      extra.writeUInt16LE(4, 2);
      extra.writeUInt16LE(1, 8);
      extra.writeUInt16LE(8 * wide.length, 10);
      for (const [i, { value }] of wide.entries()) extra.writeBigUInt64LE(BigInt(value), 12 + 8 * i);
    }
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(wide.length > 0 ? 45 : 20, 6);
    central.writeUInt16LE(0x0808, 8);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc, 16);
    central.writeUInt32LE(fields[1].wide ? limit32 : storedBytes, 20);
    central.writeUInt32LE(fields[0].wide ? limit32 : bytes, 24);
    central.writeUInt16LE(name.byteLength, 28);
    central.writeUInt16LE(extra.byteLength, 30);
    central.writeUInt32LE(fields[2].wide ? limit32 : header, 42);
    return Buffer.concat([central, name, extra]);
  }

  #end64(start: number, bytes: number): Buffer {
    const end = Buffer.alloc(56 + 20);
    end.writeUInt32LE(0x06064b50, 0);
    end.writeBigUInt64LE(44n, 4);
    end.writeUInt16LE(45, 14);
    end.writeBigUInt64LE(BigInt(this.#entries.length), 24);
    end.writeBigUInt64LE(BigInt(this.#entries.length), 32);
    end.writeBigUInt64LE(BigInt(bytes), 40);
    end.writeBigUInt64LE(BigInt(start), 48);
    end.writeUInt32LE(0x07064b50, 56);
    end.writeBigUInt64LE(BigInt(start + bytes), 64);
    end.writeUInt32LE(1, 72);
    return end;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const left = bytes.byteLength - done;
      done += (await this.#handle.write(bytes, done, left, this.#position + done)).bytesWritten;
    }
    this.#position += bytes.byteLength;
  }
}
