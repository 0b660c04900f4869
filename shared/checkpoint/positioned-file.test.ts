import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { chunkBytes, PositionedFile } from "./positioned-file.js";

describe("PositionedFile", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "positioned-file-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it("reads ranges and hashes all, across chunks", async () => {
    const bytes = Uint8Array.from({ length: chunkBytes + 1000 }, (_, i) => i % 251);
    await writeFile(join(folder, "long"), bytes);
    const file = await PositionedFile.open(join(folder, "long"));
    expect(
      Buffer.compare(await file.read(3, chunkBytes + 900, "all"), bytes.subarray(3, chunkBytes + 903)),
    ).toBe(0);
    const hash = createHash("sha256");
    await file.hashInto(hash);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    await file.close();
  });

  it("refuses ranges outside the file before it allocates for them", async () => {
    await writeFile(join(folder, "short"), "abc");
    const file = await PositionedFile.open(join(folder, "short"));
    await expect(file.read(1, 3, "the header")).rejects.toThrow(
      /short: the header lies at the bytes 1 to 4, the file has 3/,
    );
    await expect(file.read(0, 2 ** 52, "the header")).rejects.toThrow(InputError);
    await expect(file.read(-1, 1, "the header")).rejects.toThrow(InputError);
    await expect(file.read(0, Number.POSITIVE_INFINITY, "the header")).rejects.toThrow(InputError);
    await file.close();
  });

  it("names a path that is missing or no file", async () => {
    await expect(PositionedFile.open(join(folder, "none.pt"))).rejects.toThrow(
      /none\.pt: cannot be opened.*ENOENT/,
    );
    await expect(PositionedFile.open(folder)).rejects.toThrow(/is no regular file/);
  });
});
