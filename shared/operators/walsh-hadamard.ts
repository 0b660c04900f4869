/** Compressed sensing: a part of the Walsh-Hadamard coordinates of the picture is measured. */
import { mapBatch } from "./batch.js";
import type { DegradationOperator, PictureShape } from "./operator.js";

/**
 * The orthonormal Walsh-Hadamard transform in Sylvester's order, in place; its own inverse. Entry (i, j) of the matrix
 * is (-1)^popcount(i & j) / sqrt(n).
 * @param values [n], n a power of two
 */
export function walshHadamard(values: Float64Array): void {
  const n = values.length;
  for (let half = 1; half < n; half *= 2) {
    for (let start = 0; start < n; start += 2 * half) {
      for (let i = start; i < start + half; i++) {
        const a = values[i]!;
        const b = values[i + half]!;
        values[i] = a + b;
        values[i + half] = a - b;
      }
    }
  }
  const scale = 1 / Math.sqrt(n);
  for (let i = 0; i < n; i++) values[i]! *= scale;
}

/** The matrix of {@link walshHadamard}, [n, n] row-major. */
function hadamardMatrix(n: number): Float32Array {
  const matrix = new Float32Array(n * n);
  const line = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    line.fill(0);
    line[i] = 1;
    walshHadamard(line);
    matrix.set(line, i * n);
  }
  return matrix;
}

/**
 * Walsh-Hadamard compressed sensing: y is [channels, 1, m]; measurement k of channel c is coordinate permutation[k] of
 * the transform of the flattened channel, k < m. All singular values are 1. The range coordinates are the measured ones
 * in the order of their index, so U is a permutation.
 *
 * The transform of a flattened H x W channel is separable, H_H x H_W, because Sylvester's matrix of order H W is the
 * Kronecker product of those of order H and W. DeqIR's `cs_walshhadamard` lays y out as [k, channel] instead.
 * @param permutation of 0 .. H W - 1; height and width are powers of two
 * @param m measurements a channel, 1 .. H W
 */
export function walshHadamardSensing(
  picture: PictureShape,
  permutation: Uint32Array,
  m: number,
): DegradationOperator {
  const { channels, height, width } = picture;
  const area = height * width;
  const measured = permutation.slice(0, m);
  const inIndexOrder = measured.slice().sort();
  const chosen = new Uint8Array(area);
  for (const p of measured) chosen[p] = 1;
  const kept = new Uint8Array(channels * area);
  for (let c = 0; c < channels; c++) kept.set(chosen, c * area);

  const analyse = (x: Float32Array, batch: number, coordinates: Uint32Array) =>
    mapBatch(x, batch, { name: "x", length: channels * area }, channels * m, (from, into) => {
      for (let c = 0; c < channels; c++) {
        const plane = Float64Array.from(from.subarray(c * area, (c + 1) * area));
        walshHadamard(plane);
        for (let k = 0; k < m; k++) into[c * m + k] = plane[coordinates[k]!]!;
      }
    });
  const synthesise = (values: Float32Array, batch: number, name: string, coordinates: Uint32Array) =>
    mapBatch(values, batch, { name, length: channels * m }, channels * area, (from, into) => {
      for (let c = 0; c < channels; c++) {
        const plane = new Float64Array(area);
        for (let k = 0; k < m; k++) plane[coordinates[k]!] = from[c * m + k]!;
        walshHadamard(plane);
        into.set(plane, c * area);
      }
    });

  return {
    task: "cs-hadamard",
    picture,
    measurement: { channels, height: 1, width: m },
    rank: channels * m,
    singularValues: new Float32Array(channels * m).fill(1),
    basis: {
      kind: "separable",
      left: hadamardMatrix(height),
      rows: height,
      right: hadamardMatrix(width),
      columns: width,
      kept: m === area ? undefined : kept,
      fast: "walsh-hadamard",
    },
    apply: (x, batch = 1) => analyse(x, batch, measured),
    pseudoInverse: (y, batch = 1) => synthesise(y, batch, "y", measured),
    toSpectrum: (x, batch = 1) => analyse(x, batch, inIndexOrder),
    fromSpectrum: (u, batch = 1) => synthesise(u, batch, "u", inIndexOrder),
  };
}
