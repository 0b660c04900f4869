import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pngFile } from "../../test/png-file.js";
import { PictureError } from "../errors.js";
import { decodePicture } from "./decode.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-decode-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const astronaut = new URL("../../photos/astronaut.png", import.meta.url).pathname;

/** How many entries differ; a matcher's own comparison takes a second on a photo. */
const mismatches = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  let count = Math.abs(actual.length - expected.length);
  for (let i = 0; i < expected.length; i++) count += actual[i] === expected[i] ? 0 : 1;
  return count;
};

const save = async (name: string, bytes: Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
};

const codesOf = (values: Float32Array, maximum = 255): number[] =>
  Array.from(values, (v) => Math.round(((v + 1) / 2) * maximum));

/** Codes [C, H, W] of interleaved samples. */
const planar = (samples: ArrayLike<number>, channels: number): number[] => {
  const pixels = samples.length / channels;
  return Array.from(
    { length: samples.length },
    (_, i) => samples[(i % pixels) * channels + Math.floor(i / pixels)]!,
  );
};

const failure = async (path: string, options?: { maxPixels: number }): Promise<string> => {
  const decoding = decodePicture(path, options);
  await expect(decoding).rejects.toThrow(PictureError);
  await expect(decoding).rejects.toThrow(path);
  return decoding.then(String, String);
};

describe("decodePicture: what comes back", () => {
  it("gives a photo's codes, channel by channel", async () => {
    const picture = await decodePicture(astronaut);
    expect(picture).toMatchObject({
      shape: { channels: 3, height: 256, width: 256 },
      bitDepth: 8,
      gray: false,
      format: "png",
    });
    expect(picture.alpha).toBeUndefined();
    expect(mismatches(codesOf(picture.values), planar(await sharp(astronaut).raw().toBuffer(), 3))).toBe(0);
    expect(picture.values.every((v) => v >= -1 && v <= 1)).toBe(true);
  });

  it.each(["png", "tiff"] as const)("keeps all 65536 codes of 16-bit %s, gray and colour", async (format) => {
    const ramp = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const raw = { width: 256, height: 256, channels: 1 } as const;
    const gray = await sharp(ramp, { raw })
      .toColourspace("grey16")
      .toFormat(format, { compression: "deflate" })
      .toBuffer();
    const picture = await decodePicture(await save(`gray.${format}`, gray));
    expect(picture).toMatchObject({ bitDepth: 16, gray: true, format });
    const codes = codesOf(picture.values, 65535);
    expect(mismatches(codes, [...ramp, ...ramp, ...ramp])).toBe(0);

    const mixed = Uint16Array.from({ length: 3 * 65536 }, (_, i) => (i * 40503) % 65536);
    const colour = await sharp(mixed, { raw: { ...raw, channels: 3 } })
      .toColourspace("rgb16")
      .toFormat(format, { compression: "deflate" })
      .toBuffer();
    const back = await decodePicture(await save(`colour.${format}`, colour));
    expect(mismatches(codesOf(back.values, 65535), planar(mixed, 3))).toBe(0);
    expect(back.gray).toBe(false);
  });

  it("replicates gray JPEG and says so", async () => {
    const bytes = await sharp(astronaut).toColourspace("b-w").jpeg().toBuffer();
    const { values, gray, shape } = await decodePicture(await save("a.jpeg", bytes));
    const area = shape.height * shape.width;
    expect(gray).toBe(true);
    expect(mismatches(values.subarray(area, 2 * area), values.subarray(0, area))).toBe(0);
    expect(mismatches(values.subarray(2 * area), values.subarray(0, area))).toBe(0);
    expect(
      mismatches(codesOf(values.subarray(0, area)), await sharp(bytes).toColourspace("b-w").raw().toBuffer()),
    ).toBe(0);
  });

  it("keeps alpha apart and colours not premultiplied, at 8 and 16 bits", async () => {
    const eight = Uint8Array.of(10, 20, 30, 0, 40, 50, 60, 128);
    const raw = { width: 2, height: 1, channels: 4 } as const;
    const rgba = await decodePicture(await save("a.png", await sharp(eight, { raw }).png().toBuffer()));
    expect(codesOf(rgba.values)).toEqual([10, 40, 20, 50, 30, 60]);
    expect(rgba.alpha).toEqual(Float32Array.of(0, 128 / 255));
    const sixteen = Uint16Array.of(1000, 7, 60000, 40001);
    const bytes = await sharp(sixteen, { raw: { ...raw, channels: 2 } })
      .toColourspace("grey16")
      .png()
      .toBuffer();
    const grayAlpha = await decodePicture(await save("b.png", bytes));
    expect(grayAlpha.gray).toBe(true);
    expect(codesOf(grayAlpha.values, 65535)).toEqual([1000, 60000, 1000, 60000, 1000, 60000]);
    expect(grayAlpha.alpha).toEqual(Float32Array.of(7 / 65535, 40001 / 65535));
    const narrow = await sharp(Uint8Array.of(100, 7, 200, 255), { raw: { ...raw, channels: 2 } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    const eightBitGray = await decodePicture(await save("c.png", narrow));
    expect(eightBitGray).toMatchObject({ gray: true, bitDepth: 8, alpha: Float32Array.of(7 / 255, 1) });
    expect(codesOf(eightBitGray.values)).toEqual([100, 200, 100, 200, 100, 200]);
  });

  it("turns by EXIF orientation 6", async () => {
    const upright = Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 80, 80, 80, 200, 200, 200);
    const bytes = await sharp(upright, { raw: { width: 3, height: 2, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const { shape, values } = await decodePicture(await save("turned.png", bytes));
    expect(shape).toEqual({ channels: 3, height: 3, width: 2 });
    // A quarter turn clockwise: the left column, bottom up, becomes the first row.
    expect(codesOf(values.subarray(0, 6))).toEqual([9, 255, 80, 0, 200, 0]);
  });

  it("reads palette PNG, 1-bit TIFF and content that its name misstates", async () => {
    const palette = await sharp(astronaut).png({ palette: true, colours: 16 }).toBuffer();
    const indexed = await decodePicture(await save("palette.png", palette));
    const expected = planar(await sharp(palette).removeAlpha().raw().toBuffer(), 3);
    expect(mismatches(codesOf(indexed.values), expected)).toBe(0);
    const bilevel = await sharp(astronaut)
      .threshold()
      .toColourspace("b-w")
      .tiff({ bitdepth: 1, compression: "ccittfax4" })
      .toBuffer();
    const { values, gray, bitDepth } = await decodePicture(await save("fax.tif", bilevel));
    expect({ gray, bitDepth }).toEqual({ gray: true, bitDepth: 8 });
    expect(new Set(values)).toEqual(new Set([-1, 1]));
    const misnamed = await save("really-webp.jpg", await sharp(astronaut).webp().toBuffer());
    expect((await decodePicture(misnamed)).format).toBe("webp");
  });

  it("converts CMYK JPEG to sRGB", async () => {
    const flat = sharp({ create: { width: 32, height: 16, channels: 3, background: "rgb(150, 120, 100)" } });
    const bytes = await flat.toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe("cmyk");
    const { values, shape, gray } = await decodePicture(await save("a.jpg", bytes));
    expect({ shape, gray }).toEqual({ shape: { channels: 3, height: 16, width: 32 }, gray: false });
    [150, 120, 100].forEach((code, c) => {
      expect(Math.abs(codesOf(values)[c * 512]! - code)).toBeLessThan(12);
    });
  });

  it("takes the first frame of an animation", async () => {
    const second = await sharp(astronaut).negate().png().toBuffer();
    const bytes = await sharp([await readFile(astronaut), second], { join: { animated: true } })
      .webp({ lossless: true })
      .toBuffer();
    expect((await sharp(bytes).metadata()).pages).toBe(2);
    const { values, shape } = await decodePicture(await save("a.webp", bytes));
    expect(shape.height).toBe(256);
    expect(mismatches(values, (await decodePicture(astronaut)).values)).toBe(0);
  });

  it("sees that a file was rewritten", async () => {
    const flat = (code: number) =>
      sharp({ create: { width: 2, height: 2, channels: 3, background: { r: code, g: code, b: code } } })
        .png()
        .toBuffer();
    const path = await save("a.png", await flat(10));
    expect(codesOf((await decodePicture(path)).values)[0]).toBe(10);
    await save("a.png", await flat(200));
    expect(codesOf((await decodePicture(path)).values)[0]).toBe(200);
  });
});

/** A PNG whose header claims a size that its few bytes of pixels do not have. */
const pngClaiming = (width: number, height: number): Buffer =>
  pngFile({ width, height, bits: 8, colourType: 2 }, Buffer.alloc(64));

describe("decodePicture: what is refused", () => {
  it("refuses a huge header before decoding, naming size, limit and remedy", async () => {
    const path = await save("bomb.png", pngClaiming(100_000, 100_000));
    const before = process.memoryUsage().rss;
    const message = await failure(path);
    expect(message).toMatch(/100000x100000 is 10000000000 pixels, above the limit of 16777216.*--max-pixels/);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  });

  it("draws the line exactly at maxPixels", async () => {
    expect((await decodePicture(astronaut, { maxPixels: 65_536 })).shape.width).toBe(256);
    expect(await failure(astronaut, { maxPixels: 65_535 })).toContain("256x256 is 65536 pixels");
  });

  it.each([
    ["jpeg", 0.5],
    ["jpeg", 0.99],
    ["png", 0.5],
    ["png", 0.99],
    ["webp", 0.5],
    ["webp", 0.99],
    ["tiff", 0.5],
    ["tiff", 0.99],
  ] as const)("fails on %s truncated to %f of its bytes", async (format, part) => {
    const whole = await sharp(astronaut).toFormat(format).toBuffer();
    await decodePicture(await save(`whole.${format}`, whole));
    const truncated = whole.subarray(0, Math.floor(whole.length * part));
    await failure(await save(`truncated.${format}`, truncated));
  });

  it("fails on a PNG with flipped bytes and on one shorter than its header says", async () => {
    const bytes = Buffer.from(await readFile(astronaut));
    bytes.fill(0x5a, bytes.length / 2, bytes.length / 2 + 32);
    expect(await failure(await save("flipped.png", bytes))).toContain("damaged");
    expect(await failure(await save("short.png", pngClaiming(300, 300)))).toContain("damaged");
  });

  it("fails on what is empty, missing, a folder, no picture or another format", async () => {
    expect(await failure(await save("empty.png", Buffer.alloc(0)))).toContain("empty");
    expect(await failure(join(folder, "missing.png"))).toContain("ENOENT");
    expect(await failure(folder)).toContain("EISDIR");
    expect(await failure(await save("text.png", Buffer.from("hello")))).toContain("not a picture");
    expect(await failure(await save("zero.png", pngClaiming(0, 5)))).toContain("leave it out");
    const gif = await sharp(astronaut).gif().toBuffer();
    expect(await failure(await save("gif.png", gif))).toContain("the content is gif");
    const float = await sharp(astronaut).toColourspace("scrgb").tiff({ compression: "none" }).toBuffer();
    expect(await failure(await save("float.tif", float))).toContain("samples of type float");
  });
});
