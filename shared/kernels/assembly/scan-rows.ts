/**
 * The scan of a slice, in place: with delta the correction of a state,
 *
 *     z_r     <- z_r + delta
 *     delta   <- J_r delta + f_r(z_r) - z_{r+1}          (z_r and z_{r+1} as they were)
 *
 * f_r(z) = state z + noise eps_r + measurement A^+ y + fresh n_r. Every pixel has a scan of its own, so one line of
 * all rows is worked off after the other while it lies in the cache, and each row is read and written once.
 */
import { coefficientBytes, lineBytes, riderStride, scratch, scratchLine, stride } from "./layout";

// Where the rows lie: set by `setScan`, the same for all lines of one scan.
export let states: usize = 0;
export let noise: usize = 0;
export let measurement: usize = 0;
export let fresh: usize = 0;
export let entry: usize = 0;
export let deltas: usize = 0;
export let exit: usize = 0;
export let coefficients: usize = 0;
export let steps: i32 = 0;

// And their riders.
let riders: usize = 0;
let noiseRiders: usize = 0;
let measurementRiders: usize = 0;
let freshRiders: usize = 0;
let entryRiders: usize = 0;

/** Names the riders of the next scan: those of the states, of the noise, and of whatever rows it has. */
export function setRiders(
  ridersAt: usize,
  noiseAt: usize,
  measurementAt: usize,
  freshAt: usize,
  entryAt: usize,
): void {
  riders = ridersAt;
  noiseRiders = noiseAt;
  measurementRiders = measurementAt;
  freshRiders = freshAt;
  entryRiders = entryAt;
}

/**
 * Names the rows of the next scan.
 * @param n steps: there are n + 1 states and n noise estimates
 * @param entryAt correction of the first state, or 0
 * @param freshAt n rows of fresh noise, or 0
 * @param deltasAt n + 1 rows that receive the corrections, or 0
 * @param exitAt row that receives the correction of the last state, or 0
 */
export function setScan(
  n: i32,
  statesAt: usize,
  noiseAt: usize,
  measurementAt: usize,
  freshAt: usize,
  entryAt: usize,
  deltasAt: usize,
  exitAt: usize,
  coefficientsAt: usize,
): void {
  steps = n;
  states = statesAt;
  noise = noiseAt;
  measurement = measurementAt;
  fresh = freshAt;
  entry = entryAt;
  deltas = deltasAt;
  exit = exitAt;
  coefficients = coefficientsAt;
}

/** The correction of the first state. */
@inline
export function startLine(delta: usize, at: usize, bytes: usize): void {
  if (entry) memory.copy(delta, entry + at, bytes);
  else memory.fill(delta, 0, bytes);
}

/** delta += weight . values. */
export function addScaled(delta: usize, values: usize, weight: f32, bytes: usize): void {
  let i: usize = 0;
  const w = f32x4.splat(weight);
  for (; i + 16 <= bytes; i += 16) {
    v128.store(delta + i, f32x4.add(v128.load(delta + i), f32x4.mul(w, v128.load(values + i))));
  }
  for (; i < bytes; i += 4) f32.store(delta + i, f32.load(delta + i) + weight * f32.load(values + i));
}

/** values += added. */
export function addLine(values: usize, added: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(values + i, f32x4.add(v128.load(values + i), v128.load(added + i)));
  }
  for (; i < bytes; i += 4) f32.store(values + i, f32.load(values + i) + f32.load(added + i));
}

/**
 * One line on which all numbers have the null space's coefficients.
 * @param at the line's place in a row
 * @param added what is added to every state besides, times `weight`; or 0
 * @param addedStride bytes from one state's to the next
 */
export function scanLine(at: usize, bytes: usize, added: usize, addedStride: usize, weight: f32): void {
  const delta = scratch;
  startLine(delta, at, bytes);
  const y = measurement + at;
  const share = f32x4.splat(weight);
  let z = states + at;
  let eps = noise + at;
  let c = coefficients;
  for (let r = 0; r < steps; r++) {
    if (deltas) memory.copy(deltas + at + <usize>r * stride, delta, bytes);
    const j = v128.load32_splat(c);
    const cz = v128.load32_splat(c, 4);
    const ce = v128.load32_splat(c, 8);
    const cy = v128.load32_splat(c, 12);
    const next = z + stride;
    let i: usize = 0;
    if (added) {
      const more = added + <usize>r * addedStride;
      for (; i + 16 <= bytes; i += 16) {
        const d = v128.load(delta + i);
        const zi = v128.load(z + i);
        v128.store(z + i, f32x4.add(f32x4.add(zi, d), f32x4.mul(share, v128.load(more + i))));
        const carried = f32x4.add(f32x4.mul(j, d), f32x4.mul(cz, zi));
        const given = f32x4.add(f32x4.mul(ce, v128.load(eps + i)), f32x4.mul(cy, v128.load(y + i)));
        v128.store(delta + i, f32x4.sub(f32x4.add(carried, given), v128.load(next + i)));
      }
    } else {
      for (; i + 16 <= bytes; i += 16) {
        const d = v128.load(delta + i);
        const zi = v128.load(z + i);
        v128.store(z + i, f32x4.add(zi, d));
        const carried = f32x4.add(f32x4.mul(j, d), f32x4.mul(cz, zi));
        const given = f32x4.add(f32x4.mul(ce, v128.load(eps + i)), f32x4.mul(cy, v128.load(y + i)));
        v128.store(delta + i, f32x4.sub(f32x4.add(carried, given), v128.load(next + i)));
      }
    }
    for (; i < bytes; i += 4) {
      const d = f32.load(delta + i);
      const zi = f32.load(z + i);
      f32.store(z + i, zi + d + (added ? weight * f32.load(added + <usize>r * addedStride + i) : 0));
      const carried = f32.load(c) * d + f32.load(c, 4) * zi;
      const given = f32.load(c, 8) * f32.load(eps + i) + f32.load(c, 12) * f32.load(y + i);
      f32.store(delta + i, carried + given - f32.load(next + i));
    }
    if (fresh) addScaled(delta, fresh + at + <usize>r * stride, f32.load(c, 16), bytes);
    z = next;
    eps += stride;
    c += coefficientBytes;
  }
  if (deltas) memory.copy(deltas + at + <usize>steps * stride, delta, bytes);
  if (exit) memory.copy(exit + at, delta, bytes);
  addLine(z, delta, bytes);
  if (!added) return;
  const addedLast = added + <usize>steps * addedStride;
  addScaled(z, addedLast, weight, bytes);
  if (exit) addScaled(exit + at, addedLast, weight, bytes);
  if (!deltas) return;
  for (let r = 0; r <= steps; r++) {
    addScaled(deltas + at + <usize>r * stride, added + <usize>r * addedStride, weight, bytes);
  }
}

/** The same, where what is added is a rider repeated over a block of scale x scale pixels, divided by scale. */
export function scanBlocks(width: i32, scale: i32): void {
  const bytes = <usize>width << 2;
  const few = bytes / <usize>scale;
  const differences = scratch + 3 * scratchLine;
  const repeated = differences + <usize>(steps + 1) * scratchLine;
  const share: f32 = <f32>1 / <f32>scale;
  let at: usize = 0;
  for (let line: usize = 0; line < riderStride; line += few) {
    scanRiderLine(line, few, differences, scratchLine);
    for (let r = 0; r <= steps; r++) {
      const place = <usize>r * scratchLine;
      repeatLine(differences + place, repeated + place, few, scale);
    }
    for (let k = 0; k < scale; k++, at += bytes) scanLine(at, bytes, repeated, scratchLine, share);
  }
}

/** Riders alone. @param differences receives what the states lack, [n + 1] rows of riders */
export function scanRiders(differences: usize): void {
  for (let at: usize = 0; at < riderStride; at += lineBytes) {
    scanRiderLine(at, min(lineBytes, riderStride - at), differences + at, riderStride);
  }
}

/** Every number of a line `scale` times. */
export function repeatLine(line: usize, out: usize, bytes: usize, scale: i32): void {
  let o = out;
  for (let i: usize = 0; i < bytes; i += 4) {
    const value = f32.load(line + i);
    if (scale == 4) {
      v128.store(o, f32x4.splat(value));
      o += 16;
    } else {
      for (let s = 0; s < scale; s++) {
        f32.store(o, value);
        o += 4;
      }
    }
  }
}

/**
 * A line of riders: both scans run on it. The riders themselves follow the range's; what the states lack, since all of
 * their pixels follow the null space's, is the difference of the two corrections.
 * @param differences receives it, n + 1 lines `differenceStride` bytes apart
 */
function scanRiderLine(at: usize, bytes: usize, differences: usize, differenceStride: usize): void {
  const onNull = scratch + scratchLine;
  const onRange = scratch + 2 * scratchLine;
  if (entryRiders) {
    memory.copy(onNull, entryRiders + at, bytes);
    memory.copy(onRange, entryRiders + at, bytes);
  } else {
    memory.fill(onNull, 0, bytes);
    memory.fill(onRange, 0, bytes);
  }
  const y = measurementRiders + at;
  let u = riders + at;
  let eps = noiseRiders + at;
  let c = coefficients;
  for (let r = 0; r <= steps; r++) {
    const out = differences + <usize>r * differenceStride;
    const last = r == steps;
    const whole = bytes & ~15;
    const jn = v128.load32_splat(c);
    const zn = v128.load32_splat(c, 4);
    const en = v128.load32_splat(c, 8);
    const yn = v128.load32_splat(c, 12);
    const jr = v128.load32_splat(c, 20);
    const zr = v128.load32_splat(c, 24);
    const er = v128.load32_splat(c, 28);
    const yr = v128.load32_splat(c, 32);
    for (let i: usize = 0; i < whole; i += 16) {
      const dn = v128.load(onNull + i);
      const dr = v128.load(onRange + i);
      const value = v128.load(u + i);
      v128.store(out + i, f32x4.sub(dr, dn));
      v128.store(u + i, f32x4.add(value, dr));
      if (last) continue;
      const e = v128.load(eps + i);
      const m = v128.load(y + i);
      const next = v128.load(u + riderStride + i);
      const made = f32x4.add(f32x4.add(f32x4.mul(zn, value), f32x4.mul(en, e)), f32x4.mul(yn, m));
      const madeOnRange = f32x4.add(f32x4.add(f32x4.mul(zr, value), f32x4.mul(er, e)), f32x4.mul(yr, m));
      v128.store(onNull + i, f32x4.sub(f32x4.add(f32x4.mul(jn, dn), made), next));
      v128.store(onRange + i, f32x4.sub(f32x4.add(f32x4.mul(jr, dr), madeOnRange), next));
    }
    for (let i = whole; i < bytes; i += 4) {
      const dn = f32.load(onNull + i);
      const dr = f32.load(onRange + i);
      const value = f32.load(u + i);
      f32.store(out + i, dr - dn);
      f32.store(u + i, value + dr);
      if (last) continue;
      const e = f32.load(eps + i);
      const m = f32.load(y + i);
      const next = f32.load(u + riderStride + i);
      const made = f32.load(c, 4) * value + f32.load(c, 8) * e + f32.load(c, 12) * m;
      const madeOnRange = f32.load(c, 24) * value + f32.load(c, 28) * e + f32.load(c, 32) * m;
      f32.store(onNull + i, f32.load(c) * dn + made - next);
      f32.store(onRange + i, f32.load(c, 20) * dr + madeOnRange - next);
    }
    if (last) break;
    if (freshRiders) {
      const f = freshRiders + at + <usize>r * riderStride;
      addScaled(onNull, f, f32.load(c, 16), bytes);
      addScaled(onRange, f, f32.load(c, 36), bytes);
    }
    u += riderStride;
    eps += riderStride;
    c += coefficientBytes;
  }
}

