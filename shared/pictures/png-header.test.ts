import sharp, { type Metadata } from "sharp";
import { describe, expect, it } from "vitest";
import { pngChunk, pngFile } from "../../test/png-file.js";
import { readPngHeader } from "./png-header.js";

const allowed = [
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
] as const;
const samplesOf: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const palette = pngChunk("PLTE", Buffer.from([255, 0, 0, 0, 255, 0]));
/** Alpha of two palette entries, or the transparent colour. */
const transparency: Record<number, Buffer> = {
  0: pngChunk("tRNS", Buffer.alloc(2)),
  2: pngChunk("tRNS", Buffer.alloc(6)),
  3: pngChunk("tRNS", Buffer.from([0, 255])),
};

const kinds = allowed.flatMap(([colourType, depths]) =>
  depths.flatMap((bits) =>
    [false, true]
      .filter((transparent) => !transparent || colourType in transparency)
      .map((transparent) => ({ colourType, bits, transparent })),
  ),
);

/** Two lines of three black pixels. */
const fileOf = ({ colourType, bits, transparent }: (typeof kinds)[number], more: Buffer[] = []): Buffer => {
  const line = 1 + Math.ceil((3 * samplesOf[colourType]! * bits) / 8);
  return pngFile({ width: 3, height: 2, bits, colourType }, Buffer.alloc(2 * line), [
    ...more,
    ...(colourType === 3 ? [palette] : []),
    ...(transparent ? [transparency[colourType]!] : []),
  ]);
};

const askedOf = ({ format, width, height, depth, channels, hasAlpha, space, icc }: Metadata) => ({
  format,
  width,
  height,
  depth,
  channels,
  hasAlpha,
  space,
  ...(icc && { icc }),
});

describe("the header of a PNG file", () => {
  it.each(kinds)(
    "says what libvips says: colour type $colourType, $bits bits, tRNS $transparent",
    async (kind) => {
      const file = fileOf(kind, [
        pngChunk("gAMA", Buffer.from([0, 0, 177, 143])),
        pngChunk("tEXt", Buffer.alloc(99)),
      ]);
      const said = readPngHeader(file);
      expect(said).toBeDefined();
      expect(said).toEqual(askedOf(await sharp(file).metadata()));
      // And the pixels are there.
      expect((await sharp(file, { failOn: "error" }).raw().toBuffer()).length).toBeGreaterThan(0);
    },
  );

  it("lies anywhere in memory", () => {
    const file = fileOf(kinds[0]!);
    const shifted = Uint8Array.from([1, 2, 3, ...file]).subarray(3);
    expect(readPngHeader(shifted)).toEqual(readPngHeader(file));
  });

  it("is left to libvips where there is a colour profile", async () => {
    const file = await sharp({ create: { width: 4, height: 4, channels: 3, background: "#123456" } })
      .withIccProfile("p3")
      .png()
      .toBuffer();
    expect((await sharp(file).metadata()).icc).toBeDefined();
    expect(readPngHeader(file)).toBeUndefined();
  });

  it("is left to libvips where something is wrong with it", () => {
    const file = fileOf({ colourType: 2, bits: 8, transparent: false });
    const spoilt = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(file);
      change(bytes);
      return bytes;
    };
    expect(readPngHeader(file)).toBeDefined();
    const broken = {
      empty: Buffer.alloc(0),
      signature: spoilt((bytes) => bytes.write("x", 1)),
      "length of the header": spoilt((bytes) => bytes.writeUInt32BE(14, 8)),
      "name of the header": spoilt((bytes) => bytes.write("IHDX", 12)),
      width: spoilt((bytes) => bytes.writeUInt32BE(0, 16)),
      height: spoilt((bytes) => bytes.writeUInt32BE(0, 20)),
      depth: spoilt((bytes) => bytes.writeUInt8(4, 24)),
      "colour type": spoilt((bytes) => bytes.writeUInt8(5, 25)),
      "no pixels": spoilt((bytes) => bytes.write("IDAX", 37)),
      "a chunk that ends nowhere": spoilt((bytes) => {
        bytes.write("teXt", 37);
        bytes.writeUInt32BE(0xffffffff, 33);
      }),
    };
    for (const [name, bytes] of Object.entries(broken))
      expect([name, readPngHeader(bytes)]).toEqual([name, undefined]);
    for (let length = 0; length < 41; length++)
      expect(readPngHeader(file.subarray(0, length))).toBeUndefined();
  });
});
