/** What the fast cosine transform of `assembly/cosine-transform.ts` has to know of a length. */
import { hasFastCosines } from "../operators/cosine-vectors.js";

/** Numbers of each transform of the first pass; all later ones have four. */
const firstSize = (size: number) => (Math.log2(size) % 2 === 0 ? 4 : 8);

/** Words of the table that {@link writeCosineTable} writes. */
export const cosineTableWords = (n: number): number => 2 * n + 4 + 2 * (n / 2 - firstSize(n / 2));

/** Numbers 0 .. size - 1 in the order in which decimation in time by four leaves them. */
function decimated(size: number, first: number): number[] {
  if (size === first) return [...Array(size).keys()];
  const quarter = decimated(size / 4, first);
  return [0, 1, 2, 3].flatMap((j) => quarter.map((i) => 4 * i + j));
}

/** Where number m of Makhoul's sequence x[0], x[2], .. x[n-2], x[n-1], .. x[3], x[1] stands in x. */
const makhoul = (m: number, n: number) => (m < n / 2 ? 2 * m : 2 * (n - m) - 1);

/**
 * Writes the table of a length: its three parts one after the other.
 * @param n a power of two from 8 to 4096
 * @param into where: {@link cosineTableWords} numbers
 * @throws RangeError for other lengths
 */
export function writeCosineTable(n: number, into: Float32Array): void {
  if (!hasFastCosines(n)) {
    throw new RangeError(`no fast cosine transform of ${n} numbers: 8, 16, .. 4096 have one`);
  }
  const half = n / 2;
  const first = firstSize(half);
  const order = new Uint32Array(into.buffer, into.byteOffset, n);
  order.set(decimated(half, first).flatMap((j) => [makhoul(2 * j, n), makhoul(2 * j + 1, n)]));
  let at = n;
  const write = (...values: number[]) => {
    into.set(values, at);
    at += values.length;
  };
  // The share of orthonormal cosines, halved because the transform leaves out two halves.
  const share = 1 / Math.sqrt(2 * n);
  const unit = (turns: number) => [Math.cos(2 * Math.PI * turns), -Math.sin(2 * Math.PI * turns)];
  write(1 / Math.sqrt(n), 0, 0, 0);
  for (let k = 1; k <= half / 2; k++) {
    write(...[...unit(k / (4 * n)), ...unit((5 * k) / (4 * n))].map((v) => share * v));
  }
  for (let span = first; span < half; span *= 4) {
    for (let j = 0; j < span; j++) write(...[1, 2, 3].flatMap((m) => unit((j * m) / (4 * span))));
  }
}
