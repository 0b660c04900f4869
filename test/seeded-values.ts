/** Reproducible numbers for tests. */

/** `count` values spread evenly over [-1, 1), another set for every seed. */
export function seededValues(count: number, seed: number): Float32Array {
  // splitmix32: every seed, small ones too, starts somewhere else.
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 31 - 1;
  });
}

/** Euclidean norm. */
export const norm = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  return Math.sqrt(sum);
};

/** ||a - b|| / ||b||; Infinity if the lengths differ or a value is not finite. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const distance = norm(Array.from(a, (v, i) => v - b[i]));
  if (!Number.isFinite(distance)) return Number.POSITIVE_INFINITY;
  return distance === 0 ? 0 : distance / norm(b);
}

/** Peak signal-to-noise ratio of pictures in [-1, 1], dB. */
export const psnr = (a: Float32Array, b: Float32Array): number =>
  20 * Math.log10((2 * Math.sqrt(a.length)) / norm(a.map((v, i) => v - b[i])));
