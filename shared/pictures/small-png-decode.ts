/**
 * The pixels of small, plain PNG files, at once and without libvips. What is not plain or not sound is left to libvips, whose verdict
 * then holds: everything that is read here, libvips would read to the same codes.
 *
 * zlib is Node's, which finds a damaged stream and stops at the size that is expected. The PNG libraries on hand inflate in JavaScript
 * at several times the cost, to whatever size the stream has, and pass over a wrong checksum of the stream or a last line that ends
 * early (fast-png 8), or turn gray into colour and reach into Node's internals (pngjs 7).
 */
import { crc32, inflateSync } from "node:zlib";
import { chunkBytes, isSmallPng, pngSignature, readPngStart, secondChunk } from "./png-format.js";

/** Channels by colour type. Palettes are left to libvips. */
const channelsOfType = new Map([
  [0, 1],
  [2, 3],
  [4, 2],
  [6, 4],
]);

/**
 * Chunks that say nothing about the codes of the pixels, nor does libvips convert by them. Transparent colours (tRNS), profiles (iCCP),
 * orientations (eXIf) and what is not known here are not among them.
 */
const passedOver = new Set(["bKGD", "cHRM", "gAMA", "pHYs", "sBIT", "sRGB", "tEXt", "tIME"]);

/** Bytes of a file above which what is beside the pixels is most of it, and would take its time. */
const largestSmallFile = 256 * 1024;

/** Pixels as the file holds them. */
export interface PngSamples {
  readonly height: number;
  readonly width: number;
  /** Gray, gray and alpha, RGB, RGB and alpha. */
  readonly channels: number;
  /** [H, W, C]; 16 bits where the file has them. */
  readonly samples: Uint8Array | Uint16Array;
}

/** Undoes the filters of the lines in `lines`, each of which begins with the number of its filter. */
function unfilter(
  lines: Uint8Array,
  height: number,
  lineBytes: number,
  pixelBytes: number,
): Uint8Array | undefined {
  const out = new Uint8Array(height * lineBytes);
  for (let y = 0; y < height; y++) {
    const from = y * (lineBytes + 1) + 1;
    const to = y * lineBytes;
    const filter = lines[from - 1]!;
    if (filter > 4) return undefined;
    if (filter === 0) {
      out.set(lines.subarray(from, from + lineBytes), to);
      continue;
    }
    for (let x = 0; x < lineBytes; x++) {
      // What lies before the first pixel, or above the first line, is 0.
      const left = x < pixelBytes ? 0 : out[to + x - pixelBytes]!;
      const above = y === 0 ? 0 : out[to + x - lineBytes]!;
      let predicted: number;
      if (filter === 1) predicted = left;
      else if (filter === 2) predicted = above;
      else if (filter === 3) predicted = (left + above) >> 1;
      else
        predicted = paeth(left, above, x < pixelBytes || y === 0 ? 0 : out[to + x - lineBytes - pixelBytes]!);
      out[to + x] = lines[from + x]! + predicted;
    }
  }
  return out;
}

/** The neighbour nearest to left + above - corner; the order settles ties. */
function paeth(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** The compressed pixels, undefined if there are none, or more about them than what is passed over. */
function pixelStream(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = secondChunk; at + chunkBytes <= bytes.length; ) {
    const end = at + chunkBytes + bytes.readUInt32BE(at);
    const name = bytes.toString("latin1", at + 4, at + 8);
    if (name === "IDAT") {
      if (!isSound(bytes, at, end)) return undefined;
      parts.push(bytes.subarray(at + 8, end - 4));
    } else if (parts.length > 0) {
      // Pixels lie in one row of chunks, and like libvips nothing here looks at what follows.
      break;
    } else if (!passedOver.has(name)) return undefined;
    at = end;
  }
  return parts.length > 1 ? Buffer.concat(parts) : parts[0];
}

/** Whether a chunk is there to its end and has its checksum. */
const isSound = (bytes: Buffer, at: number, end: number): boolean =>
  end <= bytes.length && crc32(bytes.subarray(at + 4, end - 4)) === bytes.readUInt32BE(end - 4);

function inflate(stream: Buffer, length: number): Uint8Array | undefined {
  try {
    // One byte more, so that zlib comes to the end of the stream and to its checksum in one go.
    const lines = inflateSync(stream, { chunkSize: Math.max(length + 1, 64), maxOutputLength: length });
    return lines.length === length ? lines : undefined;
  } catch {
    return undefined;
  }
}

/** Pairs of bytes, the higher one first, as numbers. */
function toWide(bytes: Uint8Array): Uint16Array {
  const wide = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < wide.length; i++) wide[i] = (bytes[2 * i]! << 8) | bytes[2 * i + 1]!;
  return wide;
}

/**
 * The pixels of a PNG file of a small size (see {@link isSmallPng}), not interlaced, of 8 or 16 bits a channel, without palette,
 * transparent colour, colour profile and orientation.
 * @returns undefined for every other file, damaged ones included
 */
export function decodeSmallPng(content: Uint8Array): PngSamples | undefined {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const start = bytes.length > largestSmallFile ? undefined : readPngStart(bytes);
  if (!start) return undefined;
  const { width, height, bits, methods } = start;
  const channels = channelsOfType.get(start.type);
  if (channels === undefined || (bits !== 8 && bits !== 16)) return undefined;
  if (methods.some((method) => method !== 0)) return undefined;
  const pixelBytes = (channels * bits) / 8;
  const lineBytes = width * pixelBytes;
  if (!isSmallPng(height * lineBytes) || !isSound(bytes, pngSignature.length, secondChunk)) return undefined;
  const stream = pixelStream(bytes);
  const lines = stream && inflate(stream, height * (lineBytes + 1));
  const plain = lines && unfilter(lines, height, lineBytes, pixelBytes);
  return plain && { height, width, channels, samples: bits === 16 ? toWide(plain) : plain };
}
