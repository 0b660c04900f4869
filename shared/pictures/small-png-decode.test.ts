import { deflateSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { type PngClaims, pngChunk, pngFile } from "../../test/png-file.js";
import { PictureError } from "../errors.js";
import { decodePictureBytes, type Picture } from "./decode.js";
import { decodeSmallPng } from "./small-png-decode.js";

const kinds = [0, 2, 4, 6].flatMap((colourType) => [8, 16].map((bits) => ({ colourType, bits })));
const channelsOf: Record<number, number> = { 0: 1, 2: 3, 4: 2, 6: 4 };

const lineBytes = ({ width, bits, colourType }: PngClaims): number =>
  (width * channelsOf[colourType]! * bits) / 8;

/** Signature and header. */
const startBytes = 33;
const startOf = (claims: PngClaims): Buffer => pngFile(claims, Buffer.alloc(0)).subarray(0, startBytes);
const end = pngChunk("IEND");

/** The same file with a chunk that means nothing to anybody, and leaves it to libvips. */
const forLibvips = (file: Uint8Array): Buffer =>
  Buffer.concat([file.subarray(0, startBytes), pngChunk("prVt"), file.subarray(startBytes)]);

/** The picture, or what is said of the file. */
const outcome = (file: Uint8Array): Promise<Picture | string> =>
  decodePictureBytes(file, "a.png").catch((error: unknown) => {
    expect(error).toBeInstanceOf(PictureError);
    // libvips words its reason now like this, now like that.
    return String(error).replace(/\(.*\)/s, "");
  });

/** Both ways have to come to the same. */
const compare = async (file: Uint8Array): Promise<Picture | string> => {
  const left = forLibvips(file);
  expect(decodeSmallPng(left)).toBeUndefined();
  const here = await outcome(file);
  expect(here).toEqual(await outcome(left));
  return here;
};

/** Lines of any bytes behind any filter. */
const linesOf = (claims: PngClaims, filters: fc.Arbitrary<number> = fc.integer({ min: 0, max: 4 })) =>
  fc
    .array(
      fc.tuple(
        filters,
        fc.uint8Array({ minLength: lineBytes(claims), maxLength: lineBytes(claims), size: "max" }),
      ),
      { minLength: claims.height, maxLength: claims.height },
    )
    .map((lines) => Buffer.concat(lines.flatMap(([filter, bytes]) => [Buffer.of(filter), bytes])));

const claimsOf = (kind: (typeof kinds)[number]): fc.Arbitrary<PngClaims> =>
  fc
    .record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }) })
    .map((size) => ({ ...kind, ...size }));

describe("small PNG files: the pixels", () => {
  it.each(kinds)("are libvips' ones: colour type $colourType, $bits bits", async (kind) => {
    await fc.assert(
      fc.asyncProperty(
        claimsOf(kind).chain((claims) => fc.tuple(fc.constant(claims), linesOf(claims))),
        async ([claims, lines]) => {
          const file = pngFile(claims, lines);
          expect(decodeSmallPng(file)).toMatchObject({ channels: channelsOf[kind.colourType] });
          const picture = await compare(file);
          expect(picture).toMatchObject({
            bitDepth: kind.bits,
            gray: kind.colourType % 4 === 0,
            format: "png",
          });
          expect(picture).toHaveProperty("shape.width", claims.width);
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([0, 1, 2, 3, 4])("come back from filter %i alone, on the first line as well", async (filter) => {
    for (const kind of kinds) {
      const claims = { ...kind, width: 7, height: 3 };
      const [lines] = fc.sample(linesOf(claims, fc.constant(filter)), { numRuns: 1, seed: 7 });
      const file = pngFile(claims, lines!);
      expect(decodeSmallPng(file)).toBeDefined();
      await compare(file);
    }
  });

  it("are those of photographs, with every filter an encoder chooses", async () => {
    for (const photo of ["astronaut", "chelsea"]) {
      const whole = sharp(new URL(`../../photos/${photo}.png`, import.meta.url).pathname);
      const part = whole.extract({ left: 40, top: 30, width: 128, height: 128 });
      for (const adaptiveFiltering of [false, true]) {
        const file = await part.clone().png({ adaptiveFiltering }).toBuffer();
        expect(decodeSmallPng(file)?.samples).toEqual(new Uint8Array(await part.clone().raw().toBuffer()));
        await compare(file);
      }
    }
  });

  it("lie anywhere in memory, and in any number of chunks", async () => {
    const claims = { width: 5, height: 4, bits: 16, colourType: 6 };
    const [lines] = fc.sample(linesOf(claims), { numRuns: 1, seed: 3 });
    const stream = deflateSync(lines!);
    const cuts = [0, 1, 2, 2, 9, stream.length];
    const parts = cuts.slice(1).map((to, i) => pngChunk("IDAT", stream.subarray(cuts[i], to)));
    const file = Buffer.concat([startOf(claims), ...parts, end]);
    const picture = await compare(Uint8Array.from([0, 0, 0, ...file]).subarray(3));
    expect(picture).toEqual(await outcome(pngFile(claims, lines!)));
  });
});

const claims = { width: 5, height: 4, bits: 8, colourType: 2 };
const [given] = fc.sample(linesOf(claims), { numRuns: 1, seed: 1 });
const lines = given!;
const stream = deflateSync(lines);
const pixels = pngChunk("IDAT", stream);
const start = startOf(claims);
const whole = Buffer.concat([start, pixels, end]);

const spoilt = (bytes: Uint8Array, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  const index = at < 0 ? changed.length + at : at;
  changed[index] = changed[index]! ^ 1;
  return changed;
};

/** Another header, with its checksum. */
const headed = (change: (data: Buffer) => void): Buffer => {
  const data = Buffer.from(start.subarray(16, 29));
  change(data);
  return Buffer.concat([start.subarray(0, 8), pngChunk("IHDR", data), pixels, end]);
};

const interlaced = await sharp(lines.subarray(0, 60), { raw: { width: 5, height: 4, channels: 3 } })
  .png({ progressive: true })
  .toBuffer();

const rotation = Buffer.from("4d4d002a00000008000101120003000000010006000000000000", "hex");

describe("small PNG files: what is beside the pixels", () => {
  it.each([
    ["gAMA", Buffer.from([0, 1, 134, 160])],
    ["cHRM", Buffer.alloc(32, 7)],
    ["sRGB", Buffer.of(0)],
    ["pHYs", Buffer.alloc(9, 1)],
    ["tIME", Buffer.from([7, 210, 1, 2, 3, 4, 5])],
    ["tEXt", Buffer.from(`Raw profile type exif\0\nexif\n26\n${rotation.toString("hex")}`)],
    ["bKGD", Buffer.alloc(6, 1)],
    ["sBIT", Buffer.of(5, 6, 5)],
  ])("%s changes nothing, neither here nor in libvips", async (name, data) => {
    const plain = await outcome(whole);
    const chunks = {
      sound: pngChunk(name, data),
      empty: pngChunk(name),
      spoilt: spoilt(pngChunk(name, data), -1),
    };
    for (const chunk of Object.values(chunks)) {
      const file = Buffer.concat([start, chunk, pixels, end]);
      expect(decodeSmallPng(file)).toBeDefined();
      expect(await compare(file)).toEqual(plain);
      await compare(Buffer.concat([start, pixels, chunk, end]));
    }
  });

  it.each([
    ["eXIf", rotation],
    ["tRNS", Buffer.alloc(6)],
    ["iCCP", Buffer.from("p\0\0abc")],
    ["PLTE", Buffer.alloc(6)],
    ["acTL", Buffer.alloc(8, 1)],
    ["cICP", Buffer.of(9, 16, 0, 1)],
    ["iTXt", Buffer.alloc(8)],
    ["zTXt", Buffer.alloc(8)],
    ["ABCD", Buffer.alloc(8)],
    ["IHDR", start.subarray(16, 29)],
  ])("%s leaves the file to libvips", async (name, data) => {
    const file = Buffer.concat([start, pngChunk(name, data), pixels, end]);
    expect(decodeSmallPng(file)).toBeUndefined();
    await compare(file);
  });

  it("is an orientation that turns the picture", async () => {
    const file = Buffer.concat([start, pngChunk("eXIf", rotation), pixels, end]);
    expect(await outcome(file)).toMatchObject({ shape: { height: 5, width: 4 } });
  });
});

describe("small PNG files: what is left to libvips", () => {
  it.each([
    [{ width: 1, height: 1, bits: 4, colourType: 0 }, 1],
    [{ width: 1, height: 1, bits: 8, colourType: 3 }, 1],
    [{ width: 129, height: 128, bits: 8, colourType: 6 }, 4],
    [{ width: 128, height: 65, bits: 16, colourType: 6 }, 8],
  ])("%o", (kind, pixelBytes) => {
    expect(
      decodeSmallPng(pngFile(kind, Buffer.alloc(kind.height * (1 + kind.width * pixelBytes)))),
    ).toBeUndefined();
  });

  it("is not what is as large as allowed", () => {
    const kind = { width: 128, height: 128, bits: 8, colourType: 6 };
    expect(decodeSmallPng(pngFile(kind, Buffer.alloc(128 * 513)))).toBeDefined();
    const text = pngChunk("tEXt", Buffer.alloc(256 * 1024));
    expect(decodeSmallPng(pngFile(kind, Buffer.alloc(128 * 513), [text]))).toBeUndefined();
  });

  it.each<[string, Buffer]>([
    ["a wrong signature", spoilt(whole, 0)],
    ["a wrong checksum of the header", spoilt(whole, 32)],
    ["no width", headed((data) => data.writeUInt32BE(0, 0))],
    ["a huge height", headed((data) => data.writeUInt32BE(0xffffffff, 4))],
    ["another compression", headed((data) => data.writeUInt8(1, 10))],
    ["another set of filters", headed((data) => data.writeUInt8(1, 11))],
    ["an unknown interlacing", headed((data) => data.writeUInt8(2, 12))],
    ["Adam7", interlaced],
    ["a wrong checksum of the pixels", Buffer.concat([start, spoilt(pixels, -1), end])],
    ["a wrong checksum of the stream", Buffer.concat([start, pngChunk("IDAT", spoilt(stream, -1)), end])],
    ["no checksum of the stream", Buffer.concat([start, pngChunk("IDAT", stream.subarray(0, -4)), end])],
    [
      "a dictionary",
      Buffer.concat([start, pngChunk("IDAT", deflateSync(lines, { dictionary: lines })), end]),
    ],
    ["a byte too many", pngFile(claims, Buffer.concat([lines, Buffer.alloc(1)]))],
    ["a byte too few", pngFile(claims, lines.subarray(0, -1))],
    ["a line too few", pngFile(claims, lines.subarray(0, -16))],
    ["an unknown filter", pngFile(claims, Buffer.concat([Buffer.of(5), lines.subarray(1)]))],
    [
      "pixels in two places",
      Buffer.concat([
        start,
        pngChunk("IDAT", stream.subarray(0, 9)),
        pngChunk("tEXt"),
        pngChunk("IDAT", stream.subarray(9)),
        end,
      ]),
    ],
    ["no pixels", Buffer.concat([start, end])],
    [
      "a chunk that ends nowhere",
      Buffer.concat([start, Buffer.from("ffffffff", "hex"), Buffer.from("tEXt"), pixels, end]),
    ],
    ["nothing but a header", start],
  ])("%s", async (_, file) => {
    expect(decodeSmallPng(file)).toBeUndefined();
    await compare(file);
  });

  it("is a stream that would fill the memory, at once", () => {
    const bomb = pngFile(claims, Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(100_000);
    const started = performance.now();
    for (let i = 0; i < 100; i++) expect(decodeSmallPng(bomb)).toBeUndefined();
    // Inflating it a hundred times would take several seconds.
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("is judged as libvips judges it, whatever was changed or cut off", async () => {
    const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 3 }),
        fc.integer({ min: startBytes, max: whole.length }),
        fc.boolean(),
        async (changes, length, cut) => {
          const file = Buffer.from(whole);
          for (const { at, to } of changes) file[at] = to;
          await compare(cut ? file.subarray(0, length) : file);
        },
      ),
      { numRuns: 300 },
    );
  });
});
