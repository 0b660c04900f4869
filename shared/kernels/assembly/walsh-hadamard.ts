/**
 * The fast Walsh-Hadamard transform in Sylvester's order. Its own inverse when scaled by 1 / sqrt(count).
 *
 * Stage s adds and subtracts numbers 2^s apart; stages may come in any order. Three stages make one pass, so that memory
 * is read and written a third as often, and the eleven that fit a part of the first-level cache are done part by part.
 * The first pass scales: it is bound by what it moves, not by what it computes.
 */

/** Bytes of the parts: with eleven stages, five of the first pass and twice three. */
const partBytes: usize = 8192;
/** Bytes of 32 numbers, which the first pass transforms. */
const firstBytes: usize = 128;

/**
 * @param plane `count` numbers, count a power of two
 * @param share what the result is multiplied by
 * @param from what is transformed; 0 for the numbers of the plane
 */
export function walshHadamard(plane: usize, count: i32, share: f32, from: usize): void {
  const bytes = <usize>count << 2;
  const read = from ? from : plane;
  if (bytes < firstBytes) return transformFew(read, plane, bytes, share);
  const part = min(bytes, partBytes);
  for (let at: usize = 0; at < bytes; at += part) {
    for (let i = at; i < at + part; i += firstBytes) transformFirst(read + i, plane + i, share);
    addStages(plane + at, part, firstBytes);
  }
  addStages(plane, bytes, part);
}

/** Fewer than 32 numbers. */
function transformFew(from: usize, to: usize, bytes: usize, share: f32): void {
  for (let i: usize = 0; i < bytes; i += 4) f32.store(to + i, share * f32.load(from + i));
  for (let half: usize = 4; half < bytes; half <<= 1) {
    for (let block = to; block < to + bytes; block += half << 1) {
      for (let i = block; i < block + half; i += 4) {
        const a = f32.load(i);
        const b = f32.load(i + half);
        f32.store(i, a + b);
        f32.store(i + half, a - b);
      }
    }
  }
}

/** The stages within vectors, of two vectors. */
@inline
function storeWithin(to: usize, a: v128, b: v128): void {
  const even = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
  const odd = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
  const sum = f32x4.add(even, odd);
  const difference = f32x4.sub(even, odd);
  const first = v128.shuffle<f32>(sum, difference, 0, 2, 4, 6);
  const second = v128.shuffle<f32>(sum, difference, 1, 3, 5, 7);
  const low = f32x4.add(first, second);
  const high = f32x4.sub(first, second);
  v128.store(to, v128.shuffle<f32>(low, high, 0, 2, 4, 6));
  v128.store(to, v128.shuffle<f32>(low, high, 1, 3, 5, 7), 16);
}

/** 32 numbers: the stages among eight vectors, then those within them. */
@inline
function transformFirst(from: usize, to: usize, share: f32): void {
  const scale = f32x4.splat(share);
  const a = f32x4.mul(scale, v128.load(from));
  const b = f32x4.mul(scale, v128.load(from, 16));
  const c = f32x4.mul(scale, v128.load(from, 32));
  const d = f32x4.mul(scale, v128.load(from, 48));
  const e = f32x4.mul(scale, v128.load(from, 64));
  const f = f32x4.mul(scale, v128.load(from, 80));
  const g = f32x4.mul(scale, v128.load(from, 96));
  const h = f32x4.mul(scale, v128.load(from, 112));
  const ab = f32x4.add(a, b);
  const ba = f32x4.sub(a, b);
  const cd = f32x4.add(c, d);
  const dc = f32x4.sub(c, d);
  const ef = f32x4.add(e, f);
  const fe = f32x4.sub(e, f);
  const gh = f32x4.add(g, h);
  const hg = f32x4.sub(g, h);
  const p = f32x4.add(ab, cd);
  const q = f32x4.add(ba, dc);
  const r = f32x4.sub(ab, cd);
  const s = f32x4.sub(ba, dc);
  const t = f32x4.add(ef, gh);
  const u = f32x4.add(fe, hg);
  const v = f32x4.sub(ef, gh);
  const w = f32x4.sub(fe, hg);
  storeWithin(to, f32x4.add(p, t), f32x4.add(q, u));
  storeWithin(to + 32, f32x4.add(r, v), f32x4.add(s, w));
  storeWithin(to + 64, f32x4.sub(p, t), f32x4.sub(q, u));
  storeWithin(to + 96, f32x4.sub(r, v), f32x4.sub(s, w));
}

/** The stages of numbers `from` bytes apart and more, in place. */
function addStages(plane: usize, bytes: usize, from: usize): void {
  let half = from;
  for (; half << 2 < bytes; half <<= 3) {
    for (let block = plane; block < plane + bytes; block += half << 3) {
      for (let i = block; i < block + half; i += 16) addThree(i, half);
    }
  }
  if (half << 1 < bytes) {
    for (let block = plane; block < plane + bytes; block += half << 2) {
      for (let i = block; i < block + half; i += 16) addTwo(i, half);
    }
  } else if (half < bytes) {
    for (let block = plane; block < plane + bytes; block += half << 1) {
      for (let i = block; i < block + half; i += 16) {
        const a = v128.load(i);
        const b = v128.load(i + half);
        v128.store(i, f32x4.add(a, b));
        v128.store(i + half, f32x4.sub(a, b));
      }
    }
  }
}

@inline
function addTwo(i: usize, half: usize): void {
  const a = v128.load(i);
  const b = v128.load(i + half);
  const c = v128.load(i + 2 * half);
  const d = v128.load(i + 3 * half);
  const ab = f32x4.add(a, b);
  const ba = f32x4.sub(a, b);
  const cd = f32x4.add(c, d);
  const dc = f32x4.sub(c, d);
  v128.store(i, f32x4.add(ab, cd));
  v128.store(i + half, f32x4.add(ba, dc));
  v128.store(i + 2 * half, f32x4.sub(ab, cd));
  v128.store(i + 3 * half, f32x4.sub(ba, dc));
}

@inline
function addThree(i: usize, half: usize): void {
  const j = i + 4 * half;
  const a = v128.load(i);
  const b = v128.load(i + half);
  const c = v128.load(i + 2 * half);
  const d = v128.load(i + 3 * half);
  const e = v128.load(j);
  const f = v128.load(j + half);
  const g = v128.load(j + 2 * half);
  const h = v128.load(j + 3 * half);
  const ae = f32x4.add(a, e);
  const ea = f32x4.sub(a, e);
  const bf = f32x4.add(b, f);
  const fb = f32x4.sub(b, f);
  const cg = f32x4.add(c, g);
  const gc = f32x4.sub(c, g);
  const dh = f32x4.add(d, h);
  const hd = f32x4.sub(d, h);
  const p = f32x4.add(ae, bf);
  const q = f32x4.sub(ae, bf);
  const r = f32x4.add(cg, dh);
  const s = f32x4.sub(cg, dh);
  const t = f32x4.add(ea, fb);
  const u = f32x4.sub(ea, fb);
  const v = f32x4.add(gc, hd);
  const w = f32x4.sub(gc, hd);
  v128.store(i, f32x4.add(p, r));
  v128.store(i + half, f32x4.add(q, s));
  v128.store(i + 2 * half, f32x4.sub(p, r));
  v128.store(i + 3 * half, f32x4.sub(q, s));
  v128.store(j, f32x4.add(t, v));
  v128.store(j + half, f32x4.add(u, w));
  v128.store(j + 2 * half, f32x4.sub(t, v));
  v128.store(j + 3 * half, f32x4.sub(u, w));
}
