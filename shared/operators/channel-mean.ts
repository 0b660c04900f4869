import { mapBatch } from "./batch.js";
import type { DegradationOperator, PictureShape } from "./operator.js";

/** DeqIR's weights of red, green and blue (`color2gray`). */
const grayWeights = [0.3333, 0.3334, 0.3333] as const;

/**
 * Colorization: y is the gray picture [1, H, W], the weighted mean of the three channels.
 *
 * Per pixel A is the row w = 0.3333, 0.3334, 0.3333, so s = |w|, v = w / |w|, U = I, and A^+ y = w y / |w|^2.
 * Source: DeqIR's `colorization`.
 */
export function channelMean(picture: PictureShape): DegradationOperator {
  const rank = picture.height * picture.width;
  const norm = Math.hypot(...grayWeights);
  const pixels = { name: "x", length: 3 * rank };

  const weightedSum = (x: Float32Array, batch: number, factor: number) =>
    mapBatch(x, batch, pixels, rank, (from, into) => {
      for (let p = 0; p < rank; p++) {
        let sum = 0;
        for (let c = 0; c < 3; c++) sum += grayWeights[c]! * from[c * rank + p]!;
        into[p] = sum * factor;
      }
    });
  const spread = (gray: Float32Array, batch: number, name: string, factor: number) =>
    mapBatch(gray, batch, { name, length: rank }, pixels.length, (from, into) => {
      for (let c = 0; c < 3; c++) {
        const weight = grayWeights[c]! * factor;
        for (let p = 0; p < rank; p++) into[c * rank + p] = weight * from[p]!;
      }
    });

  return {
    task: "colorize",
    picture,
    measurement: { ...picture, channels: 1 },
    rank,
    singularValues: new Float32Array(rank).fill(norm),
    basis: { kind: "channel", weights: Float32Array.from(grayWeights, (w) => w / norm) },
    apply: (x, batch = 1) => weightedSum(x, batch, 1),
    pseudoInverse: (y, batch = 1) => spread(y, batch, "y", 1 / norm ** 2),
    toSpectrum: (x, batch = 1) => weightedSum(x, batch, 1 / norm),
    fromSpectrum: (u, batch = 1) => spread(u, batch, "u", 1 / norm),
  };
}
