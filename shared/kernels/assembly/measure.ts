/**
 * Sums over the numbers a round looks at. Numbers of a part are first gathered, row by row, into lists of equal length;
 * where everything is looked at and a mask tells the parts apart, the rows themselves are measured.
 *
 * A step's residual is f(z_r) - z_{r+1}. For the secant estimate, with dz and df the changes of z_r and of f(z_r) since
 * the round before, the sums are <dz, dz> and <dz, df>.
 */
import { lineBytes, rangeAt, stride } from "./layout";

/** Numbers of a row at the given positions (u32, in bytes). */
export function gather(row: usize, positions: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    f32.store(out + (<usize>i << 2), f32.load(row + <usize>load<u32>(positions + (<usize>i << 2))));
  }
}

/** Numbers of a row at the given positions (u32, in bytes), times their weights. */
export function gatherWeighted(row: usize, positions: usize, weights: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const at = <usize>i << 2;
    f32.store(out + at, f32.load(weights + at) * f32.load(row + <usize>load<u32>(positions + at)));
  }
}

/** What of a row's numbers lies in the null space: minus the rider whose place (u32, in bytes) is given, times its share. */
export function gatherRest(
  row: usize,
  positions: usize,
  riders: usize,
  places: usize,
  shares: usize,
  count: i32,
  out: usize,
): void {
  for (let i = 0; i < count; i++) {
    const at = <usize>i << 2;
    const inRange = f32.load(shares + at) * f32.load(riders + <usize>load<u32>(places + at));
    f32.store(out + at, f32.load(row + <usize>load<u32>(positions + at)) - inRange);
  }
}

@inline
function addSquares(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
}

@inline
function total(sum: v128): f64 {
  return (
    <f64>f32x4.extract_lane(sum, 0) +
    <f64>f32x4.extract_lane(sum, 1) +
    <f64>f32x4.extract_lane(sum, 2) +
    <f64>f32x4.extract_lane(sum, 3)
  );
}

/**
 * Sums of one step on one part, over lists or whole rows.
 * @param c coefficients of the step on the part
 * @param fresh list of fresh noise, or 0
 * @param previousState list of z_r of the round before, replaced by this round's; 0 for residuals only
 * @param previousMade list of f(z_r), likewise
 * @param sums receives three f64: squares of the residual, <dz, dz>, <dz, df>
 */
export function measureList(
  z: usize,
  next: usize,
  eps: usize,
  y: usize,
  fresh: usize,
  c: usize,
  bytes: usize,
  previousState: usize,
  previousMade: usize,
  sums: usize,
): void {
  const cz = v128.load32_splat(c, 4);
  const ce = v128.load32_splat(c, 8);
  const cy = v128.load32_splat(c, 12);
  const cn = v128.load32_splat(c, 16);
  let squares: f64 = 0;
  let dzdz: f64 = 0;
  let dzdf: f64 = 0;
  // Lines are summed in single precision, their sums in double.
  const whole = bytes & ~15;
  for (let line: usize = 0; line < whole; line += lineBytes) {
    let s = f32x4.splat(0);
    let a = s;
    let b = s;
    const end = min(line + lineBytes, whole);
    for (let i = line; i < end; i += 16) {
      const zi = v128.load(z + i);
      let made = f32x4.add(
        f32x4.add(f32x4.mul(cz, zi), f32x4.mul(ce, v128.load(eps + i))),
        f32x4.mul(cy, v128.load(y + i)),
      );
      if (fresh) made = f32x4.add(made, f32x4.mul(cn, v128.load(fresh + i)));
      const residual = f32x4.sub(made, v128.load(next + i));
      s = addSquares(s, residual, residual);
      if (previousState) {
        const dz = f32x4.sub(zi, v128.load(previousState + i));
        const df = f32x4.sub(made, v128.load(previousMade + i));
        a = addSquares(a, dz, dz);
        b = addSquares(b, dz, df);
        v128.store(previousState + i, zi);
        v128.store(previousMade + i, made);
      }
    }
    squares += total(s);
    dzdz += total(a);
    dzdf += total(b);
  }
  f64.store(sums, squares);
  f64.store(sums, dzdz, 8);
  f64.store(sums, dzdf, 16);
  for (let i = whole; i < bytes; i += 4) {
    const before = previousState ? previousState + i : 0;
    measureOne(z + i, next + i, eps + i, y + i, fresh ? fresh + i : 0, c, before, previousMade + i, sums);
  }
}

/**
 * Sums of one step over a whole row, the mask telling the parts apart.
 * @param c coefficients of the step, both parts
 * @param sums receives six f64: those of {@link measureList} on the null space, then on the range
 */
export function measureMasked(
  z: usize,
  eps: usize,
  y: usize,
  fresh: usize,
  c: usize,
  mask: usize,
  maskBytes: usize,
  previousState: usize,
  previousMade: usize,
  sums: usize,
): void {
  memory.fill(sums, 0, 48);
  const secants = previousState != 0;
  for (let plane: usize = 0; plane < stride; plane += maskBytes) {
    for (let inPlane: usize = 0; inPlane < maskBytes; inPlane += lineBytes) {
      const bytes = min(lineBytes, maskBytes - inPlane);
      const whole = bytes & ~15;
      const at = plane + inPlane;
      const m = mask + inPlane;
      const n = fresh ? fresh + at : 0;
      const state = secants ? previousState + at : 0;
      const made = previousMade + at;
      measureVectors(z + at, eps + at, y + at, n, c, m, whole, state, made, sums);
      for (let i = whole; i < bytes; i += 4) {
        const part: usize = load<u32>(m + i) ? 1 : 0;
        const w = c + part * rangeAt;
        const before = secants ? state + i : 0;
        measureOne(z + at + i, z + at + i + stride, eps + at + i, y + at + i, n ? n + i : 0, w, before, made + i, sums + part * 24);
      }
    }
  }
}

@inline
function pick(c: usize, mask: v128): v128 {
  return v128.bitselect(v128.load32_splat(c, 20), v128.load32_splat(c), mask);
}

@inline
function addTotal(sum: usize, values: v128): void {
  f64.store(sum, f64.load(sum) + total(values));
}

/** Whole vectors of one line. */
function measureVectors(
  z: usize,
  eps: usize,
  y: usize,
  fresh: usize,
  c: usize,
  mask: usize,
  bytes: usize,
  previousState: usize,
  previousMade: usize,
  sums: usize,
): void {
  const next = z + stride;
  const zero = f32x4.splat(0);
  let squaresNull = zero;
  let squaresRange = zero;
  let dzdzNull = zero;
  let dzdzRange = zero;
  let dzdfNull = zero;
  let dzdfRange = zero;
  for (let i: usize = 0; i < bytes; i += 16) {
    const m = v128.load(mask + i);
    const zi = v128.load(z + i);
    let made = f32x4.add(
      f32x4.add(f32x4.mul(pick(c + 4, m), zi), f32x4.mul(pick(c + 8, m), v128.load(eps + i))),
      f32x4.mul(pick(c + 12, m), v128.load(y + i)),
    );
    if (fresh) made = f32x4.add(made, f32x4.mul(pick(c + 16, m), v128.load(fresh + i)));
    const residual = f32x4.sub(made, v128.load(next + i));
    const square = f32x4.mul(residual, residual);
    squaresRange = f32x4.add(squaresRange, v128.and(square, m));
    squaresNull = f32x4.add(squaresNull, v128.andnot(square, m));
    if (previousState) {
      const dz = f32x4.sub(zi, v128.load(previousState + i));
      const df = f32x4.sub(made, v128.load(previousMade + i));
      const zz = f32x4.mul(dz, dz);
      const zf = f32x4.mul(dz, df);
      dzdzRange = f32x4.add(dzdzRange, v128.and(zz, m));
      dzdzNull = f32x4.add(dzdzNull, v128.andnot(zz, m));
      dzdfRange = f32x4.add(dzdfRange, v128.and(zf, m));
      dzdfNull = f32x4.add(dzdfNull, v128.andnot(zf, m));
      v128.store(previousState + i, zi);
      v128.store(previousMade + i, made);
    }
  }
  addTotal(sums, squaresNull);
  addTotal(sums + 8, dzdzNull);
  addTotal(sums + 16, dzdfNull);
  addTotal(sums + 24, squaresRange);
  addTotal(sums + 32, dzdzRange);
  addTotal(sums + 40, dzdfRange);
}

/** One number. */
function measureOne(
  z: usize,
  next: usize,
  eps: usize,
  y: usize,
  fresh: usize,
  c: usize,
  previousState: usize,
  previousMade: usize,
  sum: usize,
): void {
  const value = f32.load(z);
  let made = f32.load(c, 4) * value + f32.load(c, 8) * f32.load(eps) + f32.load(c, 12) * f32.load(y);
  if (fresh) made += f32.load(c, 16) * f32.load(fresh);
  const residual = <f64>(made - f32.load(next));
  f64.store(sum, f64.load(sum) + residual * residual);
  if (previousState) {
    const dz = <f64>(value - f32.load(previousState));
    const df = <f64>(made - f32.load(previousMade));
    f64.store(sum, f64.load(sum, 8) + dz * dz, 8);
    f64.store(sum, f64.load(sum, 16) + dz * df, 16);
    f32.store(previousState, value);
    f32.store(previousMade, made);
  }
}

/** <a, b> over `bytes`. */
export function dot(a: usize, b: usize, bytes: usize): f64 {
  let sum: f64 = 0;
  const whole = bytes & ~15;
  for (let line: usize = 0; line < whole; line += lineBytes) {
    let s = f32x4.splat(0);
    const end = min(line + lineBytes, whole);
    for (let i = line; i < end; i += 16) s = addSquares(s, v128.load(a + i), v128.load(b + i));
    sum += total(s);
  }
  for (let i = whole; i < bytes; i += 4) sum += <f64>f32.load(a + i) * <f64>f32.load(b + i);
  return sum;
}
