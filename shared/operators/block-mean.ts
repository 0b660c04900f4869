import { mapBatch } from "./batch.js";
import type { DegradationOperator, PictureShape } from "./operator.js";

/**
 * Average super-resolution: y is the mean of each scale x scale block of x, [channels, H/scale, W/scale].
 *
 * One block's mean is (1/scale) v^T x with v = 1/scale everywhere in the block, a unit vector: every singular value is
 * 1/scale, U = I, and A^+ repeats y over the block. Source: DeqIR's `sr_averagepooling`, with any side lengths.
 * @param scale divides height and width
 */
export function blockMean(picture: PictureShape, scale: number): DegradationOperator {
  const { channels, height, width } = picture;
  const measurement = { channels, height: height / scale, width: width / scale };
  const rank = channels * measurement.height * measurement.width;
  const pixels = { name: "x", length: channels * height * width };

  /** Calls `visit` with the index of every pixel and of its block. */
  const eachPixel = (visit: (pixel: number, block: number) => void) => {
    for (let row = 0, pixel = 0; row < channels * height; row++) {
      const blockRow = Math.floor(row / scale) * measurement.width;
      for (let column = 0; column < width; column++) visit(pixel++, blockRow + Math.floor(column / scale));
    }
  };
  const blockSums = (x: Float32Array, batch: number, factor: number) =>
    mapBatch(x, batch, pixels, rank, (from, into) => {
      const sums = new Float64Array(rank);
      eachPixel((pixel, block) => {
        sums[block]! += from[pixel]!;
      });
      for (let block = 0; block < rank; block++) into[block] = sums[block]! * factor;
    });
  const repeat = (blocks: Float32Array, batch: number, name: string, factor: number) =>
    mapBatch(blocks, batch, { name, length: rank }, pixels.length, (from, into) => {
      eachPixel((pixel, block) => {
        into[pixel] = from[block]! * factor;
      });
    });

  return {
    task: "sr-average",
    picture,
    measurement,
    rank,
    singularValues: new Float32Array(rank).fill(1 / scale),
    basis: { kind: "block-mean", scale },
    apply: (x, batch = 1) => blockSums(x, batch, 1 / scale ** 2),
    pseudoInverse: (y, batch = 1) => repeat(y, batch, "y", 1),
    toSpectrum: (x, batch = 1) => blockSums(x, batch, 1 / scale),
    fromSpectrum: (u, batch = 1) => repeat(u, batch, "u", 1 / scale),
  };
}
