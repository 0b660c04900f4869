import { mkdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FatalError, RetryableError } from "../../../shared/errors.js";
import { temporaryFolder } from "../../../test/small-pictures.js";
import { mountTinyDisk, unmountTinyDisk } from "../../../test/tiny-disk.js";
import { LineFile } from "./line-file.js";

const newPath = async () => join(await temporaryFolder(), "lines.log");

/** Opens, reads and closes. */
async function valuesIn(path: string): Promise<unknown[]> {
  const visited: unknown[] = [];
  const file = await LineFile.open(path, ({ json }) => visited.push(JSON.parse(json)));
  const read = await valuesOf(file);
  await file.close();
  expect(read).toEqual(visited);
  return read;
}

async function valuesOf(file: LineFile, from = 0): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const lines of file.read(from)) values.push(...lines.map(({ json }) => JSON.parse(json)));
  return values;
}

/** A file of these commits. */
async function written(path: string, ...commits: unknown[][]): Promise<Buffer> {
  const file = await LineFile.open(path);
  for (const values of commits) await file.append(values);
  await file.close();
  return readFile(path);
}

describe("LineFile", () => {
  it("gives back what was appended, over several openings", async () => {
    const path = await newPath();
    await written(path, [{ a: "ü\n\u2028" }, null], ["x".repeat(700_000)]);
    await written(path, [[1]]);
    expect(await valuesIn(path)).toEqual([{ a: "ü\n\u2028" }, null, "x".repeat(700_000), [1]]);
  });

  it("cut anywhere keeps the whole lines before the cut, and goes on behind them", async () => {
    const path = await newPath();
    const values = ["first", { second: 2 }, "third", "fourth"];
    const bytes = await written(path, values.slice(0, 2), values.slice(2, 3), values.slice(3));
    for (let length = 0; length <= bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length));
      const whole = bytes.subarray(0, length).filter((byte) => byte === 0x0a).length;
      expect(await valuesIn(path)).toEqual(values.slice(0, whole));
      await written(path, ["next"]);
      expect(await valuesIn(path)).toEqual([...values.slice(0, whole), "next"]);
    }
  });

  it("drops a last commit of which the disk kept only parts", async () => {
    const path = await newPath();
    const bytes = await written(path, ["durable"], ["lost", "kept", "kept, too"]);
    const from = bytes.indexOf("lost");
    for (const damage of [Buffer.from("LOST"), Buffer.alloc(4), Buffer.from("a\nb\n")]) {
      const damaged = Buffer.from(bytes);
      damage.copy(damaged, from);
      await writeFile(path, damaged);
      expect(await valuesIn(path)).toEqual(["durable"]);
      // As long as the line that was lost: what followed that one must not follow this one.
      await written(path, ["next"]);
      expect(await valuesIn(path)).toEqual(["durable", "next"]);
    }
    await writeFile(path, Buffer.concat([bytes, Buffer.alloc(10_000)]));
    expect(await valuesIn(path)).toEqual(["durable", "lost", "kept", "kept, too"]);
  });

  it("refuses a file that lost what was durable, and leaves it as it is", async () => {
    const path = await newPath();
    const bytes = await written(path, ["durable"], ["durable, too"]);
    bytes[12] ^= 1;
    await writeFile(path, bytes);
    await expect(LineFile.open(path)).rejects.toThrow(FatalError);
    await expect(LineFile.open(path)).rejects.toThrow(`${path} is damaged at byte 0`);
    expect(await readFile(path)).toEqual(bytes);
  });

  it("notices damage that comes while it is open", async () => {
    const path = await newPath();
    const file = await LineFile.open(path);
    await file.append(["durable"]);
    await writeFile(path, (await readFile(path, "utf8")).replace("durable", "dirable"));
    await expect(valuesOf(file)).rejects.toThrow(/damaged at byte 0/);
    await file.close();
  });

  it("commits together what comes together", async () => {
    const path = await newPath();
    const file = await LineFile.open(path);
    const numbers = Array.from({ length: 5000 }, (_, i) => i);
    await Promise.all(numbers.map((number) => file.append([number])));
    await file.close();
    expect(await valuesIn(path)).toEqual(numbers);
    const commits = (await readFile(path, "utf8")).split("\n").filter((line) => line[8] === "|").length;
    expect(commits).toBeLessThanOrEqual(2);
  });

  it("shows only what is durable, and wakes whoever waits for more", async () => {
    const file = await LineFile.open(await newPath());
    const { signal } = new AbortController();
    const appending = file.append([1]);
    expect(await valuesOf(file)).toEqual([]);
    expect(await file.growsBeyond(0, signal)).toBe(true);
    await appending;
    expect(await valuesOf(file)).toEqual([1]);
    const waiting = file.growsBeyond(file.bytes, signal);
    await file.close();
    expect(await waiting).toBe(false);
    await expect(file.append([2])).rejects.toThrow(/closed/);
  });

  it("is rewritten whole", async () => {
    const path = await newPath();
    const file = await LineFile.open(path);
    await file.append([1, 2, 3]);
    await file.rewrite(["a", "b"]);
    await file.append(["c"]);
    expect(await valuesOf(file)).toEqual(["a", "b", "c"]);
    expect(file.count).toBe(3);
    await file.close();
    expect(await valuesIn(path)).toEqual(["a", "b", "c"]);
  });

  it("on a full disk says so, stays whole, and goes on once there is room", async (context) => {
    const folder = await temporaryFolder();
    const disk = join(folder, "disk");
    await mkdir(disk);
    if (!mountTinyDisk(disk)) return context.skip("mounting a file system is not allowed here");
    try {
      const ballast = join(disk, "ballast");
      await writeFile(ballast, new Uint8Array(40_000));
      const path = join(disk, "lines.log");
      const file = await LineFile.open(path);
      await file.append(["durable"]);
      const { bytes } = file;
      await expect(file.append(["x".repeat(30_000)])).rejects.toThrow(RetryableError);
      await expect(file.append(["x".repeat(30_000)])).rejects.toThrow(`${path} cannot be written: ENOSPC`);
      expect((await stat(path)).size).toBe(bytes);
      await truncate(ballast);
      await file.append(["x".repeat(30_000)]);
      await file.close();
      expect(await valuesIn(path)).toEqual(["durable", "x".repeat(30_000)]);
    } finally {
      unmountTinyDisk(disk);
    }
  });
});
