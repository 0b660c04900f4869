import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mountTinyDisk, unmountTinyDisk } from "../../test/tiny-disk.js";
import { FatalError } from "../errors.js";
import { writeFailure, writeFileAtomic } from "./atomic-write.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-atomic-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const failureOf = async (writing: Promise<unknown>): Promise<unknown> => {
  try {
    await writing;
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("writeFileAtomic", () => {
  it("creates folders, replaces whole files and leaves no other name", async () => {
    const path = join(folder, "a", "b", "c.bin");
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    await writeFileAtomic(path, Uint8Array.of(9));
    expect([...(await readFile(path))]).toEqual([9]);
    expect(await readdir(join(folder, "a", "b"))).toEqual(["c.bin"]);
  });

  it("lets concurrent writers each write a whole file", async () => {
    const path = join(folder, "same.bin");
    const writers = Array.from({ length: 8 }, (_, i) =>
      writeFileAtomic(path, new Uint8Array(10_000).fill(i)),
    );
    await Promise.all(writers);
    const bytes = await readFile(path);
    expect(bytes.length).toBe(10_000);
    expect(new Set(bytes).size).toBe(1);
    expect(await readdir(folder)).toEqual(["same.bin"]);
  });

  it("names the remedy when a folder of the path is a file", async () => {
    await writeFile(join(folder, "file"), "x");
    for (const path of [join(folder, "file", "a.png"), join(folder, "file", "deeper", "a.png")]) {
      const error = await failureOf(writeFileAtomic(path, new Uint8Array(1)));
      expect(error).toBeInstanceOf(FatalError);
      expect(String(error)).toContain(`${path} cannot be written: a part of the path is a file`);
    }
  });

  it("removes the temporary file when the rename fails", async () => {
    const path = join(folder, "taken.png");
    await mkdir(path);
    const error = await failureOf(writeFileAtomic(path, new Uint8Array(1)));
    expect(String(error)).toContain("a folder of that name is in the way");
    expect(await readdir(folder)).toEqual(["taken.png"]);
  });

  it("reports a full disk, leaves no temporary file and keeps the older file", async () => {
    const full = "no space left on the device";
    if (mountTinyDisk(folder)) {
      try {
        const path = join(folder, "a.bin");
        await writeFileAtomic(path, Uint8Array.of(7));
        const error = await failureOf(writeFileAtomic(path, new Uint8Array(1 << 20)));
        expect(error).toBeInstanceOf(FatalError);
        expect(String(error)).toContain(full);
        expect(await readdir(folder)).toEqual(["a.bin"]);
        expect([...(await readFile(path))]).toEqual([7]);
      } finally {
        unmountTinyDisk(folder);
      }
      return;
    }
    // Without the right to mount: a device that is always full gives the same error, but cannot be renamed to.
    const handle = await open("/dev/full", "w");
    const cause = await failureOf(handle.writeFile("x"));
    await handle.close();
    const error = writeFailure("out/a.bin", cause);
    expect(error).toBeInstanceOf(FatalError);
    expect(error.message).toContain(full);
  });
});

describe("writeFailure", () => {
  it.each([
    ["ENOSPC", "free space or choose another --out"],
    ["EDQUOT", "quota"],
    ["EACCES", "permission denied"],
    ["EROFS", "read-only"],
    ["EIO", "check the disk"],
  ])("%s: the message carries path, remedy and cause", (code, remedy) => {
    const cause = Object.assign(new Error(`${code}: write`), { code });
    const error = writeFailure("out/a.png", cause);
    expect(error.message).toMatch(/^out\/a\.png cannot be written: /);
    expect(error.message).toContain(remedy);
    expect(error.message).toContain(`${code}: write`);
    expect(error.cause).toBe(cause);
  });
});
