/**
 * The permutation of compressed sensing. Every party that names a seed must get the same one, so the procedure is part
 * of the wire contract and must never change:
 *
 * - 32-bit state, at first `seed`. One draw: state += 0x9e3779b9; h = state; h ^= h >>> 16; h *= 0x85ebca6b;
 *   h ^= h >>> 13; h *= 0xc2b2ae35; h ^= h >>> 16, all modulo 2^32 (a Weyl sequence through MurmurHash3's finaliser).
 * - Fisher and Yates from the top: for i = n - 1 down to 1, j = floor(draw / 2^32 * (i + 1)), swap entries i and j of
 *   0 .. n - 1.
 */
export function seededPermutation(n: number, seed: number): Uint32Array {
  let state = seed >>> 0;
  const draw = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let h = state;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  };
  const permutation = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor((draw() / 2 ** 32) * (i + 1));
    const swapped = permutation[i]!;
    permutation[i] = permutation[j]!;
    permutation[j] = swapped;
  }
  return permutation;
}
