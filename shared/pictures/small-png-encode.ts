/** Small PNG files, at once and without libvips. */
import { crc32, deflateSync } from "node:zlib";
import { chunkBytes, headerBytes, pngSignature } from "./png-format.js";

/** Colour types by the number of channels. */
const typeOfChannels = [undefined, 0, 4, 2, 6] as const;

function chunk(name: string, data: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(chunkBytes + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(name, 4, "latin1");
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

const end = chunk("IEND", new Uint8Array());

/** Codes as bytes, the higher one of two first. */
function toBytes(codes: Uint8Array | Uint16Array): Uint8Array {
  if (codes instanceof Uint8Array) return codes;
  const bytes = new Uint8Array(codes.byteLength);
  for (let i = 0; i < codes.length; i++) {
    bytes[2 * i] = codes[i]! >> 8;
    bytes[2 * i + 1] = codes[i]!;
  }
  return bytes;
}

/** Lines behind the number of their filter, which is none, as libvips does it. */
function toLines(bytes: Uint8Array, height: number): Uint8Array {
  const lineBytes = bytes.length / height;
  const lines = new Uint8Array(bytes.length + height);
  for (let y = 0; y < height; y++) {
    lines.set(bytes.subarray(y * lineBytes, (y + 1) * lineBytes), y * (lineBytes + 1) + 1);
  }
  return lines;
}

/** What is encoded. */
export interface PngCodes {
  readonly height: number;
  readonly width: number;
  /** Gray, gray and alpha, RGB, RGB and alpha. */
  readonly channels: 1 | 2 | 3 | 4;
  /** [H, W, C], 8 or 16 bits each. */
  readonly codes: Uint8Array | Uint16Array;
}

/**
 * The content of a PNG file with exactly these codes. It is as long as libvips makes it, and the libraries on hand are no shorter way to
 * it: fast-png 8 takes twice as long for checksums and compression in JavaScript, pngjs 7 does not write gray by default and tries every
 * filter on every line.
 */
export function encodeSmallPng({ height, width, channels, codes }: PngCodes): Uint8Array {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8 * codes.BYTES_PER_ELEMENT;
  header[9] = typeOfChannels[channels]!;
  // Level 6 is libvips's, too.
  const pixels = deflateSync(toLines(toBytes(codes), height), { level: 6 });
  return Buffer.concat([pngSignature, chunk("IHDR", header), chunk("IDAT", pixels), end]);
}
