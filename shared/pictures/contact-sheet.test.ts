import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError, PictureError } from "../errors.js";
import { writeContactSheet } from "./contact-sheet.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-sheet-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const photo = (name: string): string => new URL(`../../photos/${name}.png`, import.meta.url).pathname;

interface Sheet {
  readonly width: number;
  readonly height: number;
  /** RGB of one pixel. */
  at(x: number, y: number): number[];
}

const readSheet = async (path: string): Promise<Sheet> => {
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  expect(info.channels).toBe(3);
  return { width, height, at: (x, y) => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)] };
};

const top = 32 + 2 * (18 + 8);

describe("writeContactSheet", () => {
  it("shows pictures pixel for pixel at their place, under ink", async () => {
    const path = join(folder, "sheet.png");
    await writeContactSheet(path, [
      {
        label: "astronaut.png",
        cells: [
          { label: "original", path: photo("astronaut") },
          { label: "other", path: photo("chelsea") },
        ],
      },
    ]);
    const sheet = await readSheet(path);
    expect([sheet.width, sheet.height]).toEqual([32 + 256 + 20 + 256 + 32, top + 256 + 32]);
    const { data } = await sharp(photo("chelsea")).raw().toBuffer({ resolveWithObject: true });
    for (const [x, y] of [
      [0, 0],
      [100, 30],
      [255, 255],
    ] as const) {
      const expected = [...data.subarray((y * 256 + x) * 3, (y * 256 + x) * 3 + 3)];
      expect(sheet.at(32 + 256 + 20 + x, top + y)).toEqual(expected);
    }
    const inked = (y0: number, x0: number): number => {
      let count = 0;
      for (let y = y0; y < y0 + 14; y++) {
        for (let x = x0; x < x0 + 100; x++) if (sheet.at(x, y)[0]! < 200) count++;
      }
      return count;
    };
    // The row's label, and a label over each cell.
    expect([inked(32, 32), inked(58, 32), inked(58, 308)].every((n) => n > 100)).toBe(true);
    expect(sheet.at(0, 0)).toEqual([236, 236, 236]);
  });

  it("enlarges small measurements without smoothing and leaves room for short rows", async () => {
    const small = join(folder, "small.png");
    await sharp(Uint8Array.of(0, 255, 255, 0), { raw: { width: 2, height: 2, channels: 1 } }).toFile(small);
    const path = join(folder, "sheet.png");
    await writeContactSheet(path, [
      { label: "one", cells: [{ label: "measured", path: small }] },
      {
        label: "two",
        cells: [
          { label: "a", path: small },
          { label: "b", path: photo("rocket") },
        ],
      },
    ]);
    const sheet = await readSheet(path);
    const tones = new Set<number>();
    for (let y = 0; y < 256; y++) {
      for (let x = 0; x < 256; x++) tones.add(sheet.at(32 + x, top + y)[0]!);
    }
    expect(tones).toEqual(new Set([0, 255]));
    expect(sheet.at(32, top)).toEqual([0, 0, 0]);
    expect(sheet.at(32 + 128, top)).toEqual([255, 255, 255]);
    expect(sheet.at(400, top + 100)).toEqual([236, 236, 236]);
  });

  it("shows measurements that are no picture as an empty tile", async () => {
    const path = join(folder, "sheet.png");
    await writeContactSheet(path, [{ label: "y", cells: [{ label: "measured", path: "y.safetensors" }] }]);
    expect((await readSheet(path)).at(40, top + 8)).toEqual([208, 208, 208]);
  });

  it("limits the width of panoramas and survives long labels", async () => {
    const wide = join(folder, "wide.png");
    await sharp(photo("coffee")).resize({ width: 3000, height: 30, fit: "fill" }).toFile(wide);
    const path = join(folder, "sheet.png");
    await writeContactSheet(path, [
      { label: "x".repeat(500), cells: [{ label: "y".repeat(500), path: wide }] },
    ]);
    expect((await readSheet(path)).width).toBe(32 + 1024 + 32);
  });

  it("names a picture it cannot show and writes no sheet", async () => {
    const broken = join(folder, "broken.png");
    await writeFile(broken, "no picture");
    const writing = writeContactSheet(join(folder, "sheet.png"), [
      { label: "", cells: [{ label: "", path: broken }] },
    ]);
    await expect(writing).rejects.toThrow(PictureError);
    await expect(writing).rejects.toThrow(broken);
    await expect(writeContactSheet(join(folder, "sheet.png"), [])).rejects.toThrow(InputError);
    expect(await readdir(folder)).toEqual(["broken.png"]);
  });
});
