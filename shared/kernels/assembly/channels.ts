/**
 * Where the range is one number a pixel, a weighted sum of its three channels: P x = w (w . x), |w| = 1, which needs no riders. The
 * kernels walk through the three planes of a row side by side.
 */
import { coefficientBytes, lineBytes, rangeAt, scratch, scratchLine, stride } from "./layout";
import { addLine, coefficients, deltas, entry, exit, fresh, measurement, noise, states, steps } from "./scan-rows";

@inline
function times(weight: v128, value: v128): v128 {
  return f32x4.mul(weight, value);
}

/** a x + b y + c z. */
@inline
function mixed(a: v128, x: v128, b: v128, y: v128, c: v128, z: v128): v128 {
  return f32x4.add(f32x4.add(times(a, x), times(b, y)), times(c, z));
}

/** What a coefficient is more on the range than on the null space. */
@inline
function excess(c: usize): v128 {
  return f32x4.sub(v128.load32_splat(c + rangeAt), v128.load32_splat(c));
}

/** The scan of `scan-rows.ts`. @param weights three f32 */
export function scanChannels(weights: usize): void {
  const plane = stride / 3;
  const whole = plane & ~15;
  for (let at: usize = 0; at < whole; at += lineBytes) scanColours(at, min(lineBytes, whole - at), plane, weights);
  for (let at = whole; at < plane; at += 4) scanPixel(at, plane, weights);
}

/** A line of pixels, a multiple of 16 bytes in each plane: the corrections of all three lie in lines of their own. */
function scanColours(at: usize, bytes: usize, plane: usize, weights: usize): void {
  const u = v128.load32_splat(weights);
  const v = v128.load32_splat(weights, 4);
  const w = v128.load32_splat(weights, 8);
  const delta = scratch;
  const delta1 = delta + scratchLine;
  const delta2 = delta1 + scratchLine;
  const gray = delta2 + scratchLine;
  const twice = plane << 1;
  if (entry) keep(entry + at, plane, delta, bytes);
  else {
    memory.fill(delta, 0, bytes);
    memory.fill(delta1, 0, bytes);
    memory.fill(delta2, 0, bytes);
  }
  const y = measurement + at;
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(gray + i, mixed(u, v128.load(y + i), v, v128.load(y + plane + i), w, v128.load(y + twice + i)));
  }
  let z = states + at;
  let eps = noise + at;
  let c = coefficients;
  for (let r = 0; r < steps; r++) {
    if (deltas) spill(delta, deltas + at + <usize>r * stride, plane, bytes);
    const next = z + stride;
    const j = v128.load32_splat(c);
    const cz = v128.load32_splat(c, 4);
    const ce = v128.load32_splat(c, 8);
    const cy = v128.load32_splat(c, 12);
    const moreJ = excess(c);
    const moreZ = excess(c + 4);
    const moreE = excess(c + 8);
    const moreY = excess(c + 12);
    for (let i: usize = 0; i < bytes; i += 16) {
      const d0 = v128.load(delta + i);
      const d1 = v128.load(delta1 + i);
      const d2 = v128.load(delta2 + i);
      const z0 = v128.load(z + i);
      const z1 = v128.load(z + plane + i);
      const z2 = v128.load(z + twice + i);
      const e0 = v128.load(eps + i);
      const e1 = v128.load(eps + plane + i);
      const e2 = v128.load(eps + twice + i);
      let more = f32x4.add(times(moreY, v128.load(gray + i)), times(moreJ, mixed(u, d0, v, d1, w, d2)));
      more = f32x4.add(more, times(moreZ, mixed(u, z0, v, z1, w, z2)));
      more = f32x4.add(more, times(moreE, mixed(u, e0, v, e1, w, e2)));
      v128.store(z + i, f32x4.add(z0, d0));
      v128.store(z + plane + i, f32x4.add(z1, d1));
      v128.store(z + twice + i, f32x4.add(z2, d2));
      const f0 = f32x4.add(mixed(cz, z0, ce, e0, cy, v128.load(y + i)), times(u, more));
      const f1 = f32x4.add(mixed(cz, z1, ce, e1, cy, v128.load(y + plane + i)), times(v, more));
      const f2 = f32x4.add(mixed(cz, z2, ce, e2, cy, v128.load(y + twice + i)), times(w, more));
      v128.store(delta + i, f32x4.add(times(j, d0), f32x4.sub(f0, v128.load(next + i))));
      v128.store(delta1 + i, f32x4.add(times(j, d1), f32x4.sub(f1, v128.load(next + plane + i))));
      v128.store(delta2 + i, f32x4.add(times(j, d2), f32x4.sub(f2, v128.load(next + twice + i))));
    }
    if (fresh) {
      const drawn = fresh + at + <usize>r * stride;
      const cn = v128.load32_splat(c, 16);
      const moreN = excess(c + 16);
      for (let i: usize = 0; i < bytes; i += 16) {
        const n0 = v128.load(drawn + i);
        const n1 = v128.load(drawn + plane + i);
        const n2 = v128.load(drawn + twice + i);
        const more = times(moreN, mixed(u, n0, v, n1, w, n2));
        v128.store(delta + i, f32x4.add(v128.load(delta + i), f32x4.add(times(cn, n0), times(u, more))));
        v128.store(delta1 + i, f32x4.add(v128.load(delta1 + i), f32x4.add(times(cn, n1), times(v, more))));
        v128.store(delta2 + i, f32x4.add(v128.load(delta2 + i), f32x4.add(times(cn, n2), times(w, more))));
      }
    }
    z = next;
    eps += stride;
    c += coefficientBytes;
  }
  if (deltas) spill(delta, deltas + at + <usize>steps * stride, plane, bytes);
  if (exit) spill(delta, exit + at, plane, bytes);
  for (let k: usize = 0; k < 3; k++) addLine(z + k * plane, delta + k * scratchLine, bytes);
}

/** Lines of three planes to lines of scratch memory. */
@inline
function keep(from: usize, plane: usize, to: usize, bytes: usize): void {
  for (let k: usize = 0; k < 3; k++) memory.copy(to + k * scratchLine, from + k * plane, bytes);
}

/** And back. */
@inline
function spill(from: usize, to: usize, plane: usize, bytes: usize): void {
  for (let k: usize = 0; k < 3; k++) memory.copy(to + k * plane, from + k * scratchLine, bytes);
}

/** w . x of one pixel. */
@inline
function grayOf(row: usize, plane: usize, weights: usize): f32 {
  const few = f32.load(weights) * f32.load(row) + f32.load(weights, 4) * f32.load(row + plane);
  return few + f32.load(weights, 8) * f32.load(row + 2 * plane);
}

@inline
function excessOne(c: usize): f32 {
  return f32.load(c + rangeAt) - f32.load(c);
}

/** The same of one pixel. */
function scanPixel(at: usize, plane: usize, weights: usize): void {
  const gray = grayOf(measurement + at, plane, weights);
  let d0: f32 = entry ? f32.load(entry + at) : 0;
  let d1: f32 = entry ? f32.load(entry + at + plane) : 0;
  let d2: f32 = entry ? f32.load(entry + at + 2 * plane) : 0;
  for (let r = 0; r <= steps; r++) {
    const place = <usize>r * stride + at;
    if (deltas) {
      f32.store(deltas + place, d0);
      f32.store(deltas + place + plane, d1);
      f32.store(deltas + place + 2 * plane, d2);
    }
    const z = states + place;
    if (r == steps) {
      f32.store(z, f32.load(z) + d0);
      f32.store(z + plane, f32.load(z + plane) + d1);
      f32.store(z + 2 * plane, f32.load(z + 2 * plane) + d2);
      break;
    }
    const c = coefficients + <usize>r * coefficientBytes;
    const w0 = f32.load(weights);
    const w1 = f32.load(weights, 4);
    const w2 = f32.load(weights, 8);
    let more = excessOne(c) * (w0 * d0 + w1 * d1 + w2 * d2) + excessOne(c + 4) * grayOf(z, plane, weights);
    more += excessOne(c + 8) * grayOf(noise + place, plane, weights) + excessOne(c + 12) * gray;
    if (fresh) more += excessOne(c + 16) * grayOf(fresh + place, plane, weights);
    const next0 = carryOne(c, place, at, d0) + w0 * more;
    const next1 = carryOne(c, place + plane, at + plane, d1) + w1 * more;
    const next2 = carryOne(c, place + 2 * plane, at + 2 * plane, d2) + w2 * more;
    f32.store(z, f32.load(z) + d0);
    f32.store(z + plane, f32.load(z + plane) + d1);
    f32.store(z + 2 * plane, f32.load(z + 2 * plane) + d2);
    d0 = next0;
    d1 = next1;
    d2 = next2;
  }
  if (!exit) return;
  f32.store(exit + at, d0);
  f32.store(exit + at + plane, d1);
  f32.store(exit + at + 2 * plane, d2);
}

/** The correction of a channel's next state, with the null space's coefficients. @param at its place in a row */
@inline
function carryOne(c: usize, place: usize, at: usize, delta: f32): f32 {
  const z = f32.load(states + place);
  let made = f32.load(c, 4) * z + f32.load(c, 8) * f32.load(noise + place);
  made += f32.load(c, 12) * f32.load(measurement + at);
  if (fresh) made += f32.load(c, 16) * f32.load(fresh + place);
  return f32.load(c) * delta + (made - f32.load(states + place + stride));
}

/** z += null delta + P (range - null) delta. */
export function passChannels(z: usize, delta: usize, onNull: f32, onRange: f32, weights: usize): void {
  const plane = stride / 3;
  const whole = plane & ~15;
  const n = f32x4.splat(onNull);
  const more = f32x4.splat(onRange - onNull);
  const u = v128.load32_splat(weights);
  const v = v128.load32_splat(weights, 4);
  const w = v128.load32_splat(weights, 8);
  for (let at: usize = 0; at < whole; at += 16) {
    const at1 = at + plane;
    const at2 = at1 + plane;
    const d0 = v128.load(delta + at);
    const d1 = v128.load(delta + at1);
    const d2 = v128.load(delta + at2);
    const gray = times(more, mixed(u, d0, v, d1, w, d2));
    v128.store(z + at, f32x4.add(v128.load(z + at), f32x4.add(times(n, d0), times(u, gray))));
    v128.store(z + at1, f32x4.add(v128.load(z + at1), f32x4.add(times(n, d1), times(v, gray))));
    v128.store(z + at2, f32x4.add(v128.load(z + at2), f32x4.add(times(n, d2), times(w, gray))));
  }
  for (let at = whole; at < plane; at += 4) {
    const gray = (onRange - onNull) * grayOf(delta + at, plane, weights);
    for (let k: usize = 0; k < 3; k++) {
      const i = at + k * plane;
      const passed = onNull * f32.load(delta + i) + f32.load(weights + (k << 2)) * gray;
      f32.store(z + i, f32.load(z + i) + passed);
    }
  }
}

/** x += P difference. */
export function addGray(out: usize, difference: usize, weights: usize): void {
  passChannels(out, difference, 0, 1, weights);
}

/** w . x at the given pixels (u32, in bytes of a plane). */
export function gatherGray(row: usize, pixels: usize, weights: usize, count: i32, out: usize): void {
  const plane = stride / 3;
  for (let i = 0; i < count; i++) {
    const at = <usize>i << 2;
    f32.store(out + at, grayOf(row + <usize>load<u32>(pixels + at), plane, weights));
  }
}

/** x - P x at the given positions (u32, in bytes), whose pixels and shares (the weight of the channel) are given too. */
export function gatherColour(
  row: usize,
  positions: usize,
  pixels: usize,
  shares: usize,
  weights: usize,
  count: i32,
  out: usize,
): void {
  const plane = stride / 3;
  for (let i = 0; i < count; i++) {
    const at = <usize>i << 2;
    const gray = grayOf(row + <usize>load<u32>(pixels + at), plane, weights);
    const value = f32.load(row + <usize>load<u32>(positions + at));
    f32.store(out + at, value - f32.load(shares + at) * gray);
  }
}
