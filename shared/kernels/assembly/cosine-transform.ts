/**
 * The orthonormal two-dimensional DCT-II of a plane and its inverse, the DCT-III, for heights and widths that are powers of
 * two, 8 or more: X[k] = sqrt((k ? 2 : 1) / n) sum_i x[i] cos(pi (i + 1/2) k / n) along lines and columns.
 *
 * Along a line of n numbers the sequence v = x[0], x[2], .. x[n-2], x[n-1], .. x[3], x[1] has the Fourier transform V with
 * X[k] - i X[n-k] = s exp(-pi i k / 2n) V[k] (Makhoul, A Fast Cosine Transform in One and Two Dimensions, IEEE Transactions
 * on Acoustics, Speech and Signal Processing 28, 1980); and V comes of the transform Z of the n / 2 complex numbers
 * v[2j] + i v[2j+1]. All factors are at most 1 in size, so rounding does not grow as in schemes that divide by cosines.
 *
 * What depends on n alone is a table, made by `cosine-table.ts`:
 * - n u32: the order of the first pass, see `fourier-lines.ts`;
 * - 4 (n/4 + 1) f32: 1 / sqrt(n) and three zeros, then for k = 1 .. n/4 the complex numbers exp(-2 pi i k / 4n) and
 *   exp(-2 pi i 5k / 4n), times 1 / sqrt(2n): what the transforms of the even and the odd numbers of v are turned by;
 * - the twiddles of `fourier-lines.ts`.
 */
import { fromLines, toLines } from "./fourier-lines";

/** Bytes of a cache line: sixteen columns are worked on together, or as many as there are. */
const widestStrip: usize = 64;

@inline
function turnsOf(table: usize, n: usize): usize {
  return table + 4 * n;
}

@inline
function twiddlesOf(table: usize, n: usize): usize {
  return table + 8 * n + 16;
}

/**
 * Cosine coordinates of lines side by side.
 * @param from numbers `fromPitch` bytes apart
 * @param to may be `from`
 * @param strip bytes of numbers side by side, a multiple of 16
 * @param work n * strip bytes
 */
function cosinesOfLines(
  from: usize,
  fromPitch: usize,
  to: usize,
  toPitch: usize,
  n: usize,
  table: usize,
  strip: usize,
  work: usize,
): void {
  const half = n >> 1;
  const element: usize = 2 * strip;
  fromLines(from, fromPitch, table, twiddlesOf(table, n), work, half, strip);
  const diagonal = f32x4.splat(<f32>Math.SQRT1_2);
  let turn = turnsOf(table, n);
  const share = v128.load32_splat(turn);
  // V[0] and V[n/2] are the sum and the difference of the parts of Z[0].
  for (let i: usize = 0; i < strip; i += 16) {
    const real = v128.load(work + i);
    const imaginary = v128.load(work + strip + i);
    v128.store(to + i, f32x4.mul(share, f32x4.add(real, imaginary)));
    v128.store(to + half * toPitch + i, f32x4.mul(share, f32x4.sub(real, imaginary)));
  }
  for (let k: usize = 1; k <= half >> 1; k++) {
    turn += 16;
    const cr = v128.load32_splat(turn);
    const ci = v128.load32_splat(turn, 4);
    const dr = v128.load32_splat(turn, 8);
    const di = v128.load32_splat(turn, 12);
    const low = work + k * element;
    const high = work + (half - k) * element;
    const a = to + k * toPitch;
    const b = to + (half - k) * toPitch;
    const c = to + (half + k) * toPitch;
    const d = to + (n - k) * toPitch;
    for (let i: usize = 0; i < strip; i += 16) {
      const lr = v128.load(low + i);
      const li = v128.load(low + strip + i);
      const hr = v128.load(high + i);
      const hi = v128.load(high + strip + i);
      // Twice the transforms of the even and of the odd numbers of v.
      const er = f32x4.add(lr, hr);
      const ei = f32x4.sub(li, hi);
      const or = f32x4.add(li, hi);
      const oi = f32x4.sub(hr, lr);
      const pr = f32x4.sub(f32x4.mul(cr, er), f32x4.mul(ci, ei));
      const pi = f32x4.add(f32x4.mul(cr, ei), f32x4.mul(ci, er));
      const qr = f32x4.sub(f32x4.mul(dr, or), f32x4.mul(di, oi));
      const qi = f32x4.add(f32x4.mul(dr, oi), f32x4.mul(di, or));
      v128.store(a + i, f32x4.add(pr, qr));
      v128.store(d + i, f32x4.neg(f32x4.add(pi, qi)));
      const mr = f32x4.sub(pr, qr);
      const mi = f32x4.sub(pi, qi);
      v128.store(b + i, f32x4.mul(diagonal, f32x4.sub(mr, mi)));
      v128.store(c + i, f32x4.mul(diagonal, f32x4.add(mr, mi)));
    }
  }
}

/** The inverse of {@link cosinesOfLines}, step by step its transpose. */
function linesOfCosines(
  from: usize,
  fromPitch: usize,
  to: usize,
  toPitch: usize,
  n: usize,
  table: usize,
  strip: usize,
  work: usize,
): void {
  const half = n >> 1;
  const element: usize = 2 * strip;
  const diagonal = f32x4.splat(<f32>Math.SQRT1_2);
  let turn = turnsOf(table, n);
  const share = v128.load32_splat(turn);
  // Real and imaginary parts lie exchanged, as toLines wants them.
  for (let i: usize = 0; i < strip; i += 16) {
    const zero = v128.load(from + i);
    const middle = v128.load(from + half * fromPitch + i);
    v128.store(work + i, f32x4.mul(share, f32x4.sub(zero, middle)));
    v128.store(work + strip + i, f32x4.mul(share, f32x4.add(zero, middle)));
  }
  for (let k: usize = 1; k <= half >> 1; k++) {
    turn += 16;
    const cr = v128.load32_splat(turn);
    const ci = v128.load32_splat(turn, 4);
    const dr = v128.load32_splat(turn, 8);
    const di = v128.load32_splat(turn, 12);
    const low = work + k * element;
    const high = work + (half - k) * element;
    const a = from + k * fromPitch;
    const b = from + (half - k) * fromPitch;
    const c = from + (half + k) * fromPitch;
    const d = from + (n - k) * fromPitch;
    for (let i: usize = 0; i < strip; i += 16) {
      const xa = v128.load(a + i);
      const xb = v128.load(b + i);
      const xc = v128.load(c + i);
      const xd = v128.load(d + i);
      const mr = f32x4.mul(diagonal, f32x4.add(xc, xb));
      const mi = f32x4.mul(diagonal, f32x4.sub(xc, xb));
      const pr = f32x4.add(xa, mr);
      const pi = f32x4.sub(mi, xd);
      const qr = f32x4.sub(xa, mr);
      const qi = f32x4.add(mi, xd);
      const er = f32x4.add(f32x4.mul(cr, pr), f32x4.mul(ci, pi));
      const ei = f32x4.sub(f32x4.mul(cr, pi), f32x4.mul(ci, pr));
      // With qi = minus the imaginary part.
      const or = f32x4.sub(f32x4.mul(dr, qr), f32x4.mul(di, qi));
      const oi = f32x4.add(f32x4.mul(dr, qi), f32x4.mul(di, qr));
      v128.store(low + strip + i, f32x4.add(er, oi));
      v128.store(low + i, f32x4.add(ei, or));
      v128.store(high + strip + i, f32x4.sub(er, oi));
      v128.store(high + i, f32x4.sub(or, ei));
    }
  }
  toLines(to, toPitch, table, twiddlesOf(table, n), work, half, strip);
}

/** Four numbers of each of four rows become four rows of four. */
@inline
export function transposeTile(from: usize, fromPitch: usize, to: usize, toPitch: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + fromPitch);
  const c = v128.load(from + 2 * fromPitch);
  const d = v128.load(from + 3 * fromPitch);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(ab, cd, 0, 2));
  v128.store(to + toPitch, v128.shuffle<f64>(ab, cd, 1, 3));
  v128.store(to + 2 * toPitch, v128.shuffle<f64>(abHigh, cdHigh, 0, 2));
  v128.store(to + 3 * toPitch, v128.shuffle<f64>(abHigh, cdHigh, 1, 3));
}

/**
 * Transforms a plane.
 * @param from height x width numbers
 * @param to may be `from`
 * @param work two strips: 2 * 64 * max(height, width) bytes
 */
@inline
function transformPlane(
  from: usize,
  to: usize,
  height: usize,
  heightTable: usize,
  width: usize,
  widthTable: usize,
  work: usize,
  inverse: bool,
): void {
  const pitch: usize = 4 * width;
  const turned = work + widestStrip * max(height, width);
  // Lines: a strip of them is turned into columns and back.
  const tall = min(widestStrip, 4 * height);
  for (let line: usize = 0; line < height; line += tall >> 2) {
    // Four rows at a time: those of a wide plane all fall into the same few lines of the cache.
    for (let four: usize = 0; four < tall; four += 16) {
      const rows = from + (line + (four >> 2)) * pitch;
      let column = turned + four;
      for (let x = rows; x < rows + pitch; x += 16, column += 4 * tall) transposeTile(x, pitch, column, tall);
    }
    if (inverse) linesOfCosines(turned, tall, turned, tall, width, widthTable, tall, work);
    else cosinesOfLines(turned, tall, turned, tall, width, widthTable, tall, work);
    for (let four: usize = 0; four < tall; four += 16) {
      const rows = to + (line + (four >> 2)) * pitch;
      let column = turned + four;
      for (let x = rows; x < rows + pitch; x += 16, column += 4 * tall) transposeTile(column, tall, x, pitch);
    }
  }
  const wide = min(widestStrip, pitch);
  for (let column = to; column < to + pitch; column += wide) {
    if (inverse) linesOfCosines(column, pitch, column, pitch, height, heightTable, wide, work);
    else cosinesOfLines(column, pitch, column, pitch, height, heightTable, wide, work);
  }
}

/** Cosine coordinates of a plane; see {@link transformPlane}. */
export function cosinesOfPlane(
  from: usize,
  to: usize,
  height: usize,
  heightTable: usize,
  width: usize,
  widthTable: usize,
  work: usize,
): void {
  transformPlane(from, to, height, heightTable, width, widthTable, work, false);
}

/** The plane of cosine coordinates. */
export function planeOfCosines(
  from: usize,
  to: usize,
  height: usize,
  heightTable: usize,
  width: usize,
  widthTable: usize,
  work: usize,
): void {
  transformPlane(from, to, height, heightTable, width, widthTable, work, true);
}
