/** What reading and writing PNG files here have in common (W3C, Portable Network Graphics, third edition, 5 and 11.2). */

/** The first bytes of every file. */
export const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Bytes of a chunk beside its data: length, name, checksum. */
export const chunkBytes = 12;

/** Bytes of the data of the first chunk. */
export const headerBytes = 13;

/**
 * Bytes of pixels up to which a plain PNG is read and written here, at once, and not by libvips in Node's threads: 128x128 with four
 * channels of 8 bits. A picture of 32x32 costs libvips ten times as much as it costs here. On photographs both cost the same at 150x150
 * or 70x70 (8 and 16 bits) when writing, at 220x220 or 120x120 when reading; and who has other things to do on the same thread waits for
 * two milliseconds at most.
 */
const smallPngBytes = 64 * 1024;

/**
 * Whether a PNG is read and written without libvips; empty ones are for libvips to refuse.
 * @param bytes of its pixels: height x width x channels x bytes a channel
 */
export const isSmallPng = (bytes: number): boolean => bytes > 0 && bytes <= smallPngBytes;

/** The first chunk of a file, as it stands there. */
export interface PngStart {
  readonly width: number;
  readonly height: number;
  /** Bits a channel, colour type, and the methods of compression, filtering and interlacing. */
  readonly bits: number;
  readonly type: number;
  readonly methods: readonly [compression: number, filter: number, interlace: number];
}

/** Where the second chunk begins. */
export const secondChunk = pngSignature.length + chunkBytes + headerBytes;

/**
 * Reads the signature and the first chunk; its checksum is not looked at.
 * @returns undefined if there is neither
 */
export function readPngStart(bytes: Buffer): PngStart | undefined {
  const first = pngSignature.length;
  if (bytes.length < secondChunk || !bytes.subarray(0, first).equals(pngSignature)) return undefined;
  const name = bytes.toString("latin1", first + 4, first + 8);
  if (bytes.readUInt32BE(first) !== headerBytes || name !== "IHDR") return undefined;
  return {
    width: bytes.readUInt32BE(first + 8),
    height: bytes.readUInt32BE(first + 12),
    bits: bytes[first + 16]!,
    type: bytes[first + 17]!,
    methods: [bytes[first + 18]!, bytes[first + 19]!, bytes[first + 20]!],
  };
}
