import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { readMask } from "./mask.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-mask-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = async (
  name: string,
  codes: number[],
  channels: 1 | 2 | 3 | 4,
  width: number,
): Promise<string> => {
  const path = join(folder, name);
  const height = codes.length / channels / width;
  await sharp(Uint8Array.from(codes), { raw: { width, height, channels } }).toFile(path);
  return path;
};

describe("readMask", () => {
  it("keeps white, drops black, and splits between 127 and 128", async () => {
    const path = await write("mask.png", [0, 127, 128, 255, 1, 254], 1, 3);
    const mask = await readMask(path);
    expect(mask).toEqual({ height: 2, width: 3, kept: Uint8Array.of(0, 0, 1, 1, 0, 1) });
  });

  it("weighs colours by luma: green is light, blue is dark", async () => {
    const path = await write("colour.png", [0, 255, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0], 3, 4);
    expect([...(await readMask(path)).kept]).toEqual([1, 0, 0, 1]);
  });

  it("ignores transparency", async () => {
    const path = await write("alpha.png", [255, 0, 0, 255, 255, 255], 2, 3);
    expect([...(await readMask(path)).kept]).toEqual([1, 0, 1]);
  });

  it("refuses another size, naming both", async () => {
    const path = await write("mask.png", [255, 255], 1, 2);
    await expect(readMask(path, { height: 1, width: 2 })).resolves.toBeDefined();
    const reading = readMask(path, { height: 64, width: 32 });
    await expect(reading).rejects.toThrow(InputError);
    await expect(reading).rejects.toThrow(/2x1.*32x64/);
  });

  it("refuses a mask that keeps nothing", async () => {
    const path = await write("black.png", [0, 0, 3, 4], 1, 2);
    await expect(readMask(path)).rejects.toThrow(/keeps no pixel/);
  });

  it("refuses what is no picture or does not exist", async () => {
    const text = join(folder, "mask.png");
    await writeFile(text, "no picture");
    for (const path of [text, join(folder, "missing.png")]) {
      const reading = readMask(path);
      await expect(reading).rejects.toThrow(InputError);
      await expect(reading).rejects.toThrow(path);
    }
  });
});
