/**
 * Complex Fourier transforms, exp(-2 pi i j k / size), of many lines side by side: a strip. Number p of all lines is
 * one element: `strip` bytes of real parts, then `strip` bytes of imaginary parts, one line after the other, so that every
 * vector holds four lines and nothing has to be moved between its lanes.
 *
 * Cooley and Tukey's scheme of decimation in time: a first pass of transforms of 4 or 8 numbers, then passes that make one
 * transform of four. Run backwards, it is decimation in frequency. Sizes are powers of two, 4 or more.
 */

/** Numbers of the transforms of the first pass, so that passes of four make the rest. */
@inline
export function firstSize(size: usize): usize {
  return ctz(size) & 1 ? 8 : 4;
}

/**
 * Lines that lie in rows `pitch` bytes apart, in natural order, to elements.
 * @param order u32: rows of the real and of the imaginary part of each number of the first pass
 * @param twiddles for every span (4 or 8, then four times as much) and j below it exp(-2 pi i j m / (4 span)), m = 1, 2, 3
 */
export function fromLines(
  rows: usize,
  pitch: usize,
  order: usize,
  twiddles: usize,
  work: usize,
  size: usize,
  strip: usize,
): void {
  const first = firstSize(size);
  if (first == 4) transformFours(rows, pitch, order, work, size, strip, true);
  else transformEights(rows, pitch, order, work, size, strip, true);
  for (let span = first; span < size; span <<= 2) {
    mergeFours(work, size, span, twiddles + ((span - first) << 3), strip, true);
  }
}

/**
 * Elements to lines, both with their real and imaginary parts exchanged, which makes this the inverse transform but for
 * a factor of 1 / size.
 */
export function toLines(
  rows: usize,
  pitch: usize,
  order: usize,
  twiddles: usize,
  work: usize,
  size: usize,
  strip: usize,
): void {
  const first = firstSize(size);
  for (let span = size >> 2; span >= first; span >>= 2) {
    mergeFours(work, size, span, twiddles + ((span - first) << 3), strip, false);
  }
  if (first == 4) transformFours(rows, pitch, order, work, size, strip, false);
  else transformEights(rows, pitch, order, work, size, strip, false);
}

@inline
function rowAt(rows: usize, order: usize, pitch: usize): usize {
  return rows + <usize>load<u32>(order) * pitch;
}

/** Transforms of four: from rows to elements, or else from elements to rows. */
@inline
function transformFours(
  rows: usize,
  pitch: usize,
  order: usize,
  work: usize,
  size: usize,
  strip: usize,
  gather: bool,
): void {
  const imaginary: usize = gather ? 4 : 0;
  const end = work + 2 * size * strip;
  let o = order;
  for (let w = work; w < end; w += 8 * strip, o += 32) {
    const r0 = rowAt(rows, o + 4 - imaginary, pitch);
    const i0 = rowAt(rows, o + imaginary, pitch);
    const r1 = rowAt(rows, o + 12 - imaginary, pitch);
    const i1 = rowAt(rows, o + 8 + imaginary, pitch);
    const r2 = rowAt(rows, o + 20 - imaginary, pitch);
    const i2 = rowAt(rows, o + 16 + imaginary, pitch);
    const r3 = rowAt(rows, o + 28 - imaginary, pitch);
    const i3 = rowAt(rows, o + 24 + imaginary, pitch);
    for (let i: usize = 0; i < strip; i += 16) {
      const e = w + i;
      const ar = v128.load(gather ? r0 + i : e);
      const ai = v128.load(gather ? i0 + i : e + strip);
      const br = v128.load(gather ? r1 + i : e + 2 * strip);
      const bi = v128.load(gather ? i1 + i : e + 3 * strip);
      const cr = v128.load(gather ? r2 + i : e + 4 * strip);
      const ci = v128.load(gather ? i2 + i : e + 5 * strip);
      const dr = v128.load(gather ? r3 + i : e + 6 * strip);
      const di = v128.load(gather ? i3 + i : e + 7 * strip);
      const pr = f32x4.add(ar, cr);
      const pi = f32x4.add(ai, ci);
      const mr = f32x4.sub(ar, cr);
      const mi = f32x4.sub(ai, ci);
      const qr = f32x4.add(br, dr);
      const qi = f32x4.add(bi, di);
      const nr = f32x4.sub(br, dr);
      const ni = f32x4.sub(bi, di);
      v128.store(gather ? e : r0 + i, f32x4.add(pr, qr));
      v128.store(gather ? e + strip : i0 + i, f32x4.add(pi, qi));
      v128.store(gather ? e + 2 * strip : r1 + i, f32x4.add(mr, ni));
      v128.store(gather ? e + 3 * strip : i1 + i, f32x4.sub(mi, nr));
      v128.store(gather ? e + 4 * strip : r2 + i, f32x4.sub(pr, qr));
      v128.store(gather ? e + 5 * strip : i2 + i, f32x4.sub(pi, qi));
      v128.store(gather ? e + 6 * strip : r3 + i, f32x4.sub(mr, ni));
      v128.store(gather ? e + 7 * strip : i3 + i, f32x4.add(mi, nr));
    }
  }
}

/** Transforms of eight, likewise. */
@inline
function transformEights(
  rows: usize,
  pitch: usize,
  order: usize,
  work: usize,
  size: usize,
  strip: usize,
  gather: bool,
): void {
  const imaginary: usize = gather ? 4 : 0;
  const end = work + 2 * size * strip;
  const half = f32x4.splat(<f32>Math.SQRT1_2);
  let o = order;
  for (let w = work; w < end; w += 16 * strip, o += 64) {
    const r0 = rowAt(rows, o + 4 - imaginary, pitch);
    const i0 = rowAt(rows, o + imaginary, pitch);
    const r1 = rowAt(rows, o + 12 - imaginary, pitch);
    const i1 = rowAt(rows, o + 8 + imaginary, pitch);
    const r2 = rowAt(rows, o + 20 - imaginary, pitch);
    const i2 = rowAt(rows, o + 16 + imaginary, pitch);
    const r3 = rowAt(rows, o + 28 - imaginary, pitch);
    const i3 = rowAt(rows, o + 24 + imaginary, pitch);
    const r4 = rowAt(rows, o + 36 - imaginary, pitch);
    const i4 = rowAt(rows, o + 32 + imaginary, pitch);
    const r5 = rowAt(rows, o + 44 - imaginary, pitch);
    const i5 = rowAt(rows, o + 40 + imaginary, pitch);
    const r6 = rowAt(rows, o + 52 - imaginary, pitch);
    const i6 = rowAt(rows, o + 48 + imaginary, pitch);
    const r7 = rowAt(rows, o + 60 - imaginary, pitch);
    const i7 = rowAt(rows, o + 56 + imaginary, pitch);
    for (let i: usize = 0; i < strip; i += 16) {
      const e = w + i;
      // Of the numbers 1, 3, 5, 7: b0 .. b3, turned by exp(-pi i k / 4).
      let ar = v128.load(gather ? r1 + i : e + 2 * strip);
      let ai = v128.load(gather ? i1 + i : e + 3 * strip);
      let br = v128.load(gather ? r3 + i : e + 6 * strip);
      let bi = v128.load(gather ? i3 + i : e + 7 * strip);
      let cr = v128.load(gather ? r5 + i : e + 10 * strip);
      let ci = v128.load(gather ? i5 + i : e + 11 * strip);
      let dr = v128.load(gather ? r7 + i : e + 14 * strip);
      let di = v128.load(gather ? i7 + i : e + 15 * strip);
      let pr = f32x4.add(ar, cr);
      let pi = f32x4.add(ai, ci);
      let mr = f32x4.sub(ar, cr);
      let mi = f32x4.sub(ai, ci);
      let qr = f32x4.add(br, dr);
      let qi = f32x4.add(bi, di);
      let nr = f32x4.sub(br, dr);
      let ni = f32x4.sub(bi, di);
      const b0r = f32x4.add(pr, qr);
      const b0i = f32x4.add(pi, qi);
      const b2r = f32x4.sub(pi, qi);
      const b2i = f32x4.sub(qr, pr);
      ar = f32x4.add(mr, ni);
      ai = f32x4.sub(mi, nr);
      const b1r = f32x4.mul(half, f32x4.add(ar, ai));
      const b1i = f32x4.mul(half, f32x4.sub(ai, ar));
      cr = f32x4.sub(mr, ni);
      ci = f32x4.add(mi, nr);
      const b3r = f32x4.mul(half, f32x4.sub(ci, cr));
      const b3i = f32x4.mul(half, f32x4.add(cr, ci));
      // Of 0, 2, 4, 6.
      ar = v128.load(gather ? r0 + i : e);
      ai = v128.load(gather ? i0 + i : e + strip);
      br = v128.load(gather ? r2 + i : e + 4 * strip);
      bi = v128.load(gather ? i2 + i : e + 5 * strip);
      cr = v128.load(gather ? r4 + i : e + 8 * strip);
      ci = v128.load(gather ? i4 + i : e + 9 * strip);
      dr = v128.load(gather ? r6 + i : e + 12 * strip);
      di = v128.load(gather ? i6 + i : e + 13 * strip);
      pr = f32x4.add(ar, cr);
      pi = f32x4.add(ai, ci);
      mr = f32x4.sub(ar, cr);
      mi = f32x4.sub(ai, ci);
      qr = f32x4.add(br, dr);
      qi = f32x4.add(bi, di);
      nr = f32x4.sub(br, dr);
      ni = f32x4.sub(bi, di);
      ar = f32x4.add(pr, qr);
      ai = f32x4.add(pi, qi);
      v128.store(gather ? e : r0 + i, f32x4.add(ar, b0r));
      v128.store(gather ? e + strip : i0 + i, f32x4.add(ai, b0i));
      v128.store(gather ? e + 8 * strip : r4 + i, f32x4.sub(ar, b0r));
      v128.store(gather ? e + 9 * strip : i4 + i, f32x4.sub(ai, b0i));
      cr = f32x4.sub(pr, qr);
      ci = f32x4.sub(pi, qi);
      v128.store(gather ? e + 4 * strip : r2 + i, f32x4.add(cr, b2r));
      v128.store(gather ? e + 5 * strip : i2 + i, f32x4.add(ci, b2i));
      v128.store(gather ? e + 12 * strip : r6 + i, f32x4.sub(cr, b2r));
      v128.store(gather ? e + 13 * strip : i6 + i, f32x4.sub(ci, b2i));
      br = f32x4.add(mr, ni);
      bi = f32x4.sub(mi, nr);
      v128.store(gather ? e + 2 * strip : r1 + i, f32x4.add(br, b1r));
      v128.store(gather ? e + 3 * strip : i1 + i, f32x4.add(bi, b1i));
      v128.store(gather ? e + 10 * strip : r5 + i, f32x4.sub(br, b1r));
      v128.store(gather ? e + 11 * strip : i5 + i, f32x4.sub(bi, b1i));
      dr = f32x4.sub(mr, ni);
      di = f32x4.add(mi, nr);
      v128.store(gather ? e + 6 * strip : r3 + i, f32x4.add(dr, b3r));
      v128.store(gather ? e + 7 * strip : i3 + i, f32x4.sub(di, b3i));
      v128.store(gather ? e + 14 * strip : r7 + i, f32x4.sub(dr, b3r));
      v128.store(gather ? e + 15 * strip : i7 + i, f32x4.add(di, b3i));
    }
  }
}

@inline
function productReal(wr: v128, wi: v128, xr: v128, xi: v128): v128 {
  return f32x4.sub(f32x4.mul(wr, xr), f32x4.mul(wi, xi));
}

@inline
function productImaginary(wr: v128, wi: v128, xr: v128, xi: v128): v128 {
  return f32x4.add(f32x4.mul(wr, xi), f32x4.mul(wi, xr));
}

/**
 * A pass of transforms of four numbers `span` elements apart, in place.
 * @param before whether twiddles are multiplied before (in time) or after (in frequency)
 */
@inline
function mergeFours(work: usize, size: usize, span: usize, twiddles: usize, strip: usize, before: bool): void {
  const element: usize = 2 * strip;
  const apart = span * element;
  const end = work + size * element;
  for (let block = work; block < end; block += 4 * apart) {
    let t = twiddles;
    for (let w = block; w < block + apart; w += element, t += 24) {
      const ur = v128.load32_splat(t);
      const ui = v128.load32_splat(t, 4);
      const vr = v128.load32_splat(t, 8);
      const vi = v128.load32_splat(t, 12);
      const wr = v128.load32_splat(t, 16);
      const wi = v128.load32_splat(t, 20);
      for (let i: usize = 0; i < strip; i += 16) {
        const a = w + i;
        const b = a + apart;
        const c = b + apart;
        const d = c + apart;
        const ar = v128.load(a);
        const ai = v128.load(a + strip);
        const br = v128.load(b);
        const bi = v128.load(b + strip);
        const cr = v128.load(c);
        const ci = v128.load(c + strip);
        const dr = v128.load(d);
        const di = v128.load(d + strip);
        const yr = before ? productReal(ur, ui, br, bi) : br;
        const yi = before ? productImaginary(ur, ui, br, bi) : bi;
        const zr = before ? productReal(vr, vi, cr, ci) : cr;
        const zi = before ? productImaginary(vr, vi, cr, ci) : ci;
        const xr = before ? productReal(wr, wi, dr, di) : dr;
        const xi = before ? productImaginary(wr, wi, dr, di) : di;
        const pr = f32x4.add(ar, zr);
        const pi = f32x4.add(ai, zi);
        const mr = f32x4.sub(ar, zr);
        const mi = f32x4.sub(ai, zi);
        const qr = f32x4.add(yr, xr);
        const qi = f32x4.add(yi, xi);
        const nr = f32x4.sub(yr, xr);
        const ni = f32x4.sub(yi, xi);
        v128.store(a, f32x4.add(pr, qr));
        v128.store(a + strip, f32x4.add(pi, qi));
        const er = f32x4.add(mr, ni);
        const ei = f32x4.sub(mi, nr);
        v128.store(b, before ? er : productReal(ur, ui, er, ei));
        v128.store(b + strip, before ? ei : productImaginary(ur, ui, er, ei));
        const fr = f32x4.sub(pr, qr);
        const fi = f32x4.sub(pi, qi);
        v128.store(c, before ? fr : productReal(vr, vi, fr, fi));
        v128.store(c + strip, before ? fi : productImaginary(vr, vi, fr, fi));
        const gr = f32x4.sub(mr, ni);
        const gi = f32x4.add(mi, nr);
        v128.store(d, before ? gr : productReal(wr, wi, gr, gi));
        v128.store(d + strip, before ? gi : productImaginary(wr, wi, gr, gi));
      }
    }
  }
}
