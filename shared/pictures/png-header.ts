/**
 * What a PNG file says of itself before its pixels (W3C, Portable Network Graphics, third edition, 5.6 and 11.2). Datasets are
 * mostly PNG, and of a small picture libvips spends as long on a header as on a third of the pixels.
 */
import type { Metadata } from "sharp";
import { chunkBytes, readPngStart, secondChunk } from "./png-format.js";

/** What is asked of a file's header, in libvips' terms. */
export type PictureHeader = Pick<
  Metadata,
  "format" | "width" | "height" | "depth" | "channels" | "hasAlpha" | "space" | "icc"
>;

/** Channels by colour type, once palettes are looked up, and the bit depths each may have. */
const colourTypes = new Map([
  [0, { channels: 1, depths: [1, 2, 4, 8, 16] }],
  [2, { channels: 3, depths: [8, 16] }],
  [3, { channels: 3, depths: [1, 2, 4, 8] }],
  [4, { channels: 2, depths: [8, 16] }],
  [6, { channels: 4, depths: [8, 16] }],
]);

/**
 * The header of a PNG file without a colour profile; checksums are not looked at, whoever reads the pixels does that.
 * @returns undefined for everything else, damaged and unusual files included: libvips knows what to say of them
 */
export function readPngHeader(content: Uint8Array): PictureHeader | undefined {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const start = readPngStart(bytes);
  if (!start) return undefined;
  const { width, height, bits } = start;
  const type = colourTypes.get(start.type);
  if (!type?.depths.includes(bits)) return undefined;
  if (!(width > 0 && height > 0)) return undefined;
  let transparent = false;
  for (let at = secondChunk; at + chunkBytes <= bytes.length; ) {
    const name = bytes.toString("latin1", at + 4, at + 8);
    if (name === "IDAT") {
      const channels = (type.channels + (transparent ? 1 : 0)) as 1 | 2 | 3 | 4;
      const gray = channels < 3;
      const wide = bits === 16;
      return {
        format: "png",
        width,
        height,
        depth: wide ? "ushort" : "uchar",
        channels,
        hasAlpha: channels % 2 === 0,
        space: gray ? (wide ? "grey16" : "b-w") : wide ? "rgb16" : "srgb",
      };
    }
    if (name === "iCCP") return undefined;
    // Pixels that have alpha have no transparent colour besides.
    if (name === "tRNS") {
      if (type.channels % 2 === 0) return undefined;
      transparent = true;
    }
    at += chunkBytes + bytes.readUInt32BE(at);
  }
  return undefined;
}
