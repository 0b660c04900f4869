import { mapBatch } from "./batch.js";
import type { DegradationOperator, PictureShape } from "./operator.js";

/** Which pixels are known, shared by the channels. */
export interface PixelMask {
  readonly height: number;
  readonly width: number;
  /** [height * width]: 0 = missing, anything else = kept. */
  readonly kept: Uint8Array;
}

/**
 * Inpainting: y is the picture [channels, H, W] with the missing pixels set to zero. A is a projection: every singular
 * value is 1, V = U picks the kept pixels (channel-major, row by row), A^+ = A.
 *
 * DeqIR's `inpainting` flattens y differently: only the kept pixels, [pixel, channel].
 * @param mask of the picture's size; keeps at least one pixel
 */
export function pixelMask(picture: PictureShape, mask: PixelMask): DegradationOperator {
  const area = picture.height * picture.width;
  const kept = Uint8Array.from(mask.kept, (k) => (k === 0 ? 0 : 1));
  const grid = picture.channels * area;
  const positions: number[] = [];
  for (let p = 0; p < grid; p++) {
    if (kept[p % area] === 1) positions.push(p);
  }
  const rank = positions.length;

  const masked = (values: Float32Array, batch: number, name: string) =>
    mapBatch(values, batch, { name, length: grid }, grid, (from, into) => {
      for (const p of positions) into[p] = from[p]!;
    });

  return {
    task: "inpaint",
    picture,
    measurement: picture,
    rank,
    singularValues: new Float32Array(rank).fill(1),
    basis: { kind: "pixel-mask", kept },
    apply: (x, batch = 1) => masked(x, batch, "x"),
    pseudoInverse: (y, batch = 1) => masked(y, batch, "y"),
    toSpectrum: (x, batch = 1) =>
      mapBatch(x, batch, { name: "x", length: grid }, rank, (from, into) => {
        for (let i = 0; i < rank; i++) into[i] = from[positions[i]!]!;
      }),
    fromSpectrum: (u, batch = 1) =>
      mapBatch(u, batch, { name: "u", length: rank }, grid, (from, into) => {
        for (let i = 0; i < rank; i++) into[positions[i]!] = from[i]!;
      }),
  };
}
