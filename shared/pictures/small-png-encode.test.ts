import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeSmallPng } from "./small-png-decode.js";
import { encodeSmallPng, type PngCodes } from "./small-png-encode.js";

const kinds = ([1, 2, 3, 4] as const).flatMap((channels) =>
  [8, 16].map((bits) => ({ channels, wide: bits === 16, bits })),
);

/** Space of the pixels, as libvips names it. */
const spaceOf = ({ channels, wide }: Pick<(typeof kinds)[number], "channels" | "wide">) =>
  channels < 3 ? (wide ? "grey16" : "b-w") : wide ? "rgb16" : "srgb";

/** The codes that libvips reads. */
async function readByLibvips(file: Uint8Array, { channels, wide }: (typeof kinds)[number]) {
  // Raw 8-bit gray would have lost its alpha; by way of sRGB it comes three times.
  const space = wide && channels < 3 ? "grey16" : wide ? "rgb16" : "srgb";
  const { data, info } = await sharp(file, { failOn: "warning" })
    .toColourspace(space)
    .raw({ depth: wide ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const bytes = Uint8Array.from(data);
  const codes = wide ? new Uint16Array(bytes.buffer) : bytes;
  const surplus = info.channels - channels;
  return codes.filter((_, i) => i % info.channels === 0 || i % info.channels > surplus);
}

const picturesOf = ({ channels, wide }: (typeof kinds)[number]): fc.Arbitrary<PngCodes> =>
  fc
    .record({ height: fc.integer({ min: 1, max: 9 }), width: fc.integer({ min: 1, max: 9 }) })
    .chain(({ height, width }) => {
      const length = height * width * channels;
      const range = { minLength: length, maxLength: length, size: "max" } as const;
      const codes: fc.Arbitrary<Uint8Array | Uint16Array> = wide
        ? fc.uint16Array(range)
        : fc.uint8Array(range);
      return codes.map((all) => ({ height, width, channels, codes: all }));
    });

describe("small PNG files that are written", () => {
  it.each(kinds)("hold the codes, for libvips as for us: $channels channels, $bits bits", async (kind) => {
    await fc.assert(
      fc.asyncProperty(picturesOf(kind), async (picture) => {
        const file = encodeSmallPng(picture);
        expect(encodeSmallPng(picture)).toEqual(file);
        const { codes, ...size } = picture;
        expect(decodeSmallPng(file)).toEqual({ ...size, samples: codes });
        const metadata = await sharp(file).metadata();
        expect(metadata).toMatchObject({ ...size, format: "png", space: spaceOf(kind) });
        expect(metadata.depth).toBe(kind.wide ? "ushort" : "uchar");
        expect(await readByLibvips(file, kind)).toEqual(codes);
      }),
      { numRuns: 25 },
    );
  });

  it.each(["astronaut", "chelsea", "coffee", "rocket"])(
    "are no longer than libvips' ones: %s",
    async (photo) => {
      const whole = sharp(new URL(`../../photos/${photo}.png`, import.meta.url).pathname).removeAlpha();
      for (const side of [32, 64, 128]) {
        const { data } = await whole
          .clone()
          .extract({ left: 30, top: 60, width: side, height: side })
          .raw()
          .toBuffer({ resolveWithObject: true });
        const theirs = await sharp(data, { raw: { width: side, height: side, channels: 3 } })
          .png()
          .toBuffer();
        const ours = encodeSmallPng({ height: side, width: side, channels: 3, codes: data });
        expect(ours.length).toBeLessThan(1.02 * theirs.length);
      }
    },
  );
});
