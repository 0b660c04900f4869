import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError, PictureError } from "../errors.js";
import { decodePicture } from "./decode.js";
import { encodePicture, outputName } from "./encode.js";
import { qualityAgainst } from "./metrics.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-encode-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const astronaut = new URL("../../photos/astronaut.png", import.meta.url).pathname;

/** Encodes a picture and writes it. */
const write = async (...given: Parameters<typeof encodePicture>): Promise<void> =>
  writeFile(given[2].path, await encodePicture(...given));

/** How many entries differ; a matcher's own comparison takes a second on a photo. */
const mismatches = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  let count = Math.abs(actual.length - expected.length);
  for (let i = 0; i < expected.length; i++) count += actual[i] === expected[i] ? 0 : 1;
  return count;
};

describe("encodePicture", () => {
  it.each(["png", "webp", "tif", "TIFF"])(
    "writes %s so that every 8-bit code comes back",
    async (extension) => {
      const path = join(folder, `a.${extension}`);
      const { values, shape } = await decodePicture(astronaut);
      await write(values, shape, { bitDepth: 8, path });
      const back = await decodePicture(path);
      expect(mismatches(back.values, values)).toBe(0);
      expect(back.shape).toEqual(shape);
      expect(await readdir(folder)).toEqual([`a.${extension}`]);
    },
  );

  it.each(["png", "tiff"])("writes %s so that every 16-bit code comes back", async (extension) => {
    const path = join(folder, `a.${extension}`);
    const shape = { channels: 3, height: 256, width: 256 };
    const codes = Uint16Array.from({ length: 3 * 65536 }, (_, i) => (i * 40503) % 65536);
    const values = Float32Array.from(codes, (code) => (code / 65535) * 2 - 1);
    await write(values, shape, { bitDepth: 16, path });
    const back = await decodePicture(path);
    expect(back.bitDepth).toBe(16);
    expect(
      mismatches(
        back.values.map((v) => Math.round(((v + 1) / 2) * 65535)),
        codes,
      ),
    ).toBe(0);
  });

  it.each([8, 16] as const)("keeps gray gray at %i bits, and alpha apart", async (bitDepth) => {
    const path = join(folder, "gray.png");
    const gray = Float32Array.of(-1, -0.5, 0.5, 1);
    const alpha = Float32Array.of(0, 1, 0, 1);
    await write(gray, { channels: 1, height: 2, width: 2 }, { bitDepth, alpha, path });
    const metadata = await sharp(path).metadata();
    expect(metadata.channels).toBe(2);
    expect(metadata.depth).toBe(bitDepth === 16 ? "ushort" : "uchar");
    const back = await decodePicture(path);
    expect(back.alpha).toEqual(alpha);
    // Colour under full transparency is kept.
    expect([back.values[0], back.values[3]]).toEqual([-1, 1]);
    expect(back.values[2]).toBeCloseTo(0.5, 2);
  });

  it.each(["png", "webp", "tiff"])("keeps colours under transparent pixels in %s", async (extension) => {
    const path = join(folder, `a.${extension}`);
    const values = Float32Array.from({ length: 192 }, (_, i) => (i / 255) * 2 - 1);
    const alpha = Float32Array.from({ length: 64 }, (_, i) => (i % 2) * (i / 255));
    const shape = { channels: 3, height: 8, width: 8 };
    await write(values, shape, { bitDepth: 8, alpha, path });
    const back = await decodePicture(path);
    expect(mismatches(back.values, values)).toBe(0);
    expect(back.alpha).toEqual(alpha);
  });

  it("writes JPEG close to the original, without alpha", async () => {
    const path = join(folder, "a.jpg");
    const { values, shape } = await decodePicture(astronaut);
    const alpha = new Float32Array(shape.height * shape.width);
    await write(values, shape, { bitDepth: 16, alpha, path });
    const back = await decodePicture(path);
    expect(back.alpha).toBeUndefined();
    expect(qualityAgainst(values, back.values, shape).psnr).toBeGreaterThan(38);
    expect((await sharp(path).metadata()).chromaSubsampling).toBe("4:4:4");
  });

  it("clamps and rounds to the nearest code", async () => {
    const path = join(folder, "a.png");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.float({ noNaN: true, min: -3, max: 3 }), { minLength: 1, maxLength: 20 }),
        async (row) => {
          const values = Float32Array.from(row);
          const shape = { channels: 1, height: 1, width: row.length };
          await write(values, shape, { bitDepth: 8, path });
          const codes = await sharp(await sharp(path).toBuffer())
            .toColourspace("b-w")
            .raw()
            .toBuffer();
          values.forEach((v, i) => {
            const exact = ((Math.min(Math.max(v, -1), 1) + 1) / 2) * 255;
            expect(Math.abs(codes[i]! - exact)).toBeLessThanOrEqual(0.5 + 1e-9);
          });
        },
      ),
      { numRuns: 10 },
    );
  });

  it("writes the same bytes for the same picture", async () => {
    const { values, shape } = await decodePicture(astronaut);
    const files = [join(folder, "1.png"), join(folder, "2.png")];
    for (const path of files) await write(values, shape, { bitDepth: 8, path });
    const [first, second] = await Promise.all(files.map((file) => readFile(file)));
    expect(first!.equals(second!)).toBe(true);
  });

  it("refuses wrong extensions, sizes and non-finite values, and writes nothing", async () => {
    const shape = { channels: 1, height: 1, width: 1 };
    const one = Float32Array.of(0);
    const encode = (values: Float32Array, name: string, alpha?: Float32Array) =>
      write(values, shape, { bitDepth: 8, path: join(folder, name), alpha });
    await expect(encode(one, "a.gif")).rejects.toThrow(InputError);
    await expect(encode(new Float32Array(2), "a.png")).rejects.toThrow(InputError);
    await expect(encode(one, "a.png", new Float32Array(2))).rejects.toThrow(InputError);
    await expect(encode(Float32Array.of(Number.NaN), "a.png")).rejects.toThrow(PictureError);
    expect(await readdir(folder)).toEqual([]);
  });

  it("says which formats hold a picture too long for WebP", async () => {
    const path = join(folder, "long.webp");
    const shape = { channels: 1, height: 1, width: 20_000 };
    const writing = encodePicture(new Float32Array(20_000), shape, { bitDepth: 8, path });
    await expect(writing).rejects.toThrow(PictureError);
    await expect(writing).rejects.toThrow("write PNG or TIFF");
  });
});

describe("outputName", () => {
  it("keeps pictures' names and turns measurements into PNG", () => {
    expect(["a.jpg", "b/c.WEBP", "d.tif"].map(outputName)).toEqual(["a.jpg", "b/c.WEBP", "d.tif"]);
    expect(outputName("x/y.z.safetensors")).toBe("x/y.z.png");
    expect(outputName("Y.SafeTensors")).toBe("Y.png");
  });
});
