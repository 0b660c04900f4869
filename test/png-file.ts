/** PNG files laid out by hand: what no encoder writes. */
import { crc32, deflateSync } from "node:zlib";

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** A chunk with its length and checksum. */
export function pngChunk(type: string, content: Uint8Array = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** What a file's header says. */
export interface PngClaims {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly colourType: number;
}

/**
 * A file.
 * @param lines scan lines as stored, each behind its filter's number
 * @param before chunks between header and pixels
 */
export function pngFile(
  { width, height, bits, colourType }: PngClaims,
  lines: Uint8Array,
  before: readonly Buffer[] = [],
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = bits;
  header[9] = colourType;
  const pixels = pngChunk("IDAT", deflateSync(lines));
  return Buffer.concat([signature, pngChunk("IHDR", header), ...before, pixels, pngChunk("IEND")]);
}
