import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ZipWriter, type ZipWriterOptions } from "../../test/zip-writer.js";
import { InputError } from "../errors.js";
import { PositionedFile } from "./positioned-file.js";
import { ZipDirectory } from "./zip-directory.js";

const text = (value: string) => Buffer.from(value);

describe("ZipDirectory", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "zip-directory-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  const path = () => join(folder, "a.zip");
  const write = async (fill: (zip: ZipWriter) => Promise<void>, options?: ZipWriterOptions) => {
    const zip = await ZipWriter.create(path(), options);
    await fill(zip);
    await zip.finish();
  };
  const withFile = async <T>(
    use: (directory: ZipDirectory, file: PositionedFile) => Promise<T>,
  ): Promise<T> => {
    const file = await PositionedFile.open(path());
    try {
      return await use(await ZipDirectory.read(file), file);
    } finally {
      await file.close();
    }
  };
  const open = () => withFile(async (directory) => [...directory.entries.keys()]);
  /** Writes the zip, then changes its bytes. */
  const damage = async (change: (bytes: Buffer) => Buffer, options?: ZipWriterOptions) => {
    await write(async (zip) => await zip.add("r/one", [text("first")]), options);
    await writeFile(path(), change(await readFile(path())));
  };
  const central = (bytes: Buffer) => bytes.indexOf(Buffer.from("PK\x01\x02", "latin1"));

  it.each([[true], [false]])(
    "reads stored entries where the local header puts them (ZIP64: %s)",
    async (zip64) => {
      await write(
        async (zip) => {
          await zip.add("r/one", [text("first "), text("entry")]);
          await zip.add("r/two", [text("second")]);
        },
        { zip64 },
      );
      await withFile(async (directory, file) => {
        expect([...directory.entries.keys()]).toEqual(["r/one", "r/two"]);
        const entry = directory.entries.get("r/two")!;
        const position = await directory.dataPosition(entry);
        expect(position % 64).toBe(0);
        expect(Buffer.from(await file.read(position, entry.bytes, "two")).toString()).toBe("second");
        const one = await directory.readSmall(directory.entries.get("r/one")!, 100);
        expect(Buffer.from(one).toString()).toBe("first entry");
      });
    },
  );

  it("reads entries beyond 4 GiB", async () => {
    await write(async (zip) => {
      zip.skip(5 * 2 ** 30);
      await zip.add("far", [text("away")]);
    });
    await withFile(async (directory) => {
      const entry = directory.entries.get("far")!;
      expect(entry.header).toBe(5 * 2 ** 30);
      expect(Buffer.from(await directory.readSmall(entry, 100)).toString()).toBe("away");
    });
  });

  it("finds the directory before a comment", async () => {
    await damage((bytes) => {
      bytes.writeUInt16LE(7, bytes.byteLength - 2);
      return Buffer.concat([bytes, text("comment")]);
    });
    expect(await open()).toEqual(["r/one"]);
  });

  it("inflates a small entry and refuses to read a large one, both by name", async () => {
    const plain = text("x".repeat(5000));
    await write(
      async (zip) => await zip.add("r/packed", [deflateRawSync(plain)], { bytes: plain.byteLength }),
    );
    await withFile(async (directory) => {
      const entry = directory.entries.get("r/packed")!;
      expect(Buffer.compare(await directory.readSmall(entry, 5000), plain)).toBe(0);
      await expect(directory.readSmall(entry, 4999)).rejects.toThrow(
        /r\/packed has 5000 bytes, at most 4999/,
      );
      await expect(directory.dataPosition(entry)).rejects.toThrow(
        /r\/packed is compressed \(method 8\).*zip -0/,
      );
    });
  });

  it("stops inflating where the stated size ends", async () => {
    const bomb = deflateRawSync(Buffer.alloc(10_000_000));
    await write(async (zip) => await zip.add("r/bomb", [bomb], { bytes: 100 }));
    await withFile(async (directory) => {
      await expect(directory.readSmall(directory.entries.get("r/bomb")!, 20_000)).rejects.toThrow(
        /r\/bomb does not inflate/,
      );
    });
  });

  it("refuses a file cut off anywhere", async () => {
    await write(async (zip) => await zip.add("r/one", [text("first")]));
    const whole = await readFile(path());
    for (let length = 0; length < whole.byteLength; length++) {
      await writeFile(path(), whole.subarray(0, length));
      await expect(open(), `${length} bytes`).rejects.toThrow(InputError);
    }
  });

  it("refuses two entries of one name", async () => {
    await write(async (zip) => {
      await zip.add("r/one", [text("a")]);
      await zip.add("r/one", [text("b")]);
    });
    await expect(open()).rejects.toThrow(/names r\/one twice/);
  });

  it("refuses an encrypted entry by name", async () => {
    await damage((bytes) => {
      bytes[central(bytes) + 8] |= 1;
      return bytes;
    });
    await withFile(async (directory) => {
      await expect(directory.dataPosition(directory.entries.get("r/one")!)).rejects.toThrow(
        /r\/one is encrypted/,
      );
    });
  });

  it.each<[string, (bytes: Buffer) => number]>([
    ["position of the directory", (bytes) => bytes.byteLength - 6],
    ["size of the directory", (bytes) => bytes.byteLength - 10],
    ["position of the entry", (bytes) => central(bytes) + 42],
    ["stored size", (bytes) => central(bytes) + 20],
    ["name length", (bytes) => central(bytes) + 28],
  ])("refuses a %s outside the file", async (_, at) => {
    await damage(
      (bytes) => {
        bytes.writeUInt16LE(0xfff0, at(bytes));
        return bytes;
      },
      { zip64: false },
    );
    const use = withFile(async (directory) => await directory.dataPosition(directory.entries.get("r/one")!));
    await expect(use).rejects.toThrow(InputError);
  });

  it("refuses ZIP64 numbers beyond 2^53", async () => {
    await damage((bytes) => {
      bytes.writeBigUInt64LE(2n ** 63n, bytes.indexOf(Buffer.from("PK\x06\x06", "latin1")) + 48);
      return bytes;
    });
    await expect(open()).rejects.toThrow(InputError);
  });
});
