/**
 * What the correction of an entry state makes of a state behind it, which is corrected but for that:
 *
 *     z <- z + null delta + P (range - null) delta
 *
 * null and range being the products of the steps' Jacobians in between.
 */
import { riderStride, scratch, stride } from "./layout";
import { addScaled, repeatLine } from "./scan-rows";

/** z += weight . delta + share . added, or without the last where `added` is 0. */
function passLine(z: usize, delta: usize, weight: f32, added: usize, share: f32, bytes: usize): void {
  if (!added) {
    addScaled(z, delta, weight, bytes);
    return;
  }
  const w = f32x4.splat(weight);
  const s = f32x4.splat(share);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    const passed = f32x4.add(f32x4.mul(w, v128.load(delta + i)), f32x4.mul(s, v128.load(added + i)));
    v128.store(z + i, f32x4.add(v128.load(z + i), passed));
  }
  for (; i < bytes; i += 4) {
    const passed = weight * f32.load(delta + i) + share * f32.load(added + i);
    f32.store(z + i, f32.load(z + i) + passed);
  }
}

/** @param inRange P delta, a row; or 0 where null and range are the same */
export function passRow(z: usize, delta: usize, inRange: usize, onNull: f32, onRange: f32): void {
  passLine(z, delta, onNull, inRange, onRange - onNull, stride);
}

/** Riders follow the range alone. */
export function passRiders(riders: usize, ofDelta: usize, onRange: f32): void {
  addScaled(riders, ofDelta, onRange, riderStride);
}

/** Where riders are block means: a rider repeated over a block of scale x scale pixels and divided by scale. */
export function passBlocks(
  z: usize,
  delta: usize,
  ofDelta: usize,
  onNull: f32,
  onRange: f32,
  width: i32,
  scale: i32,
): void {
  const bytes = <usize>width << 2;
  const few = bytes / <usize>scale;
  const share = (onRange - onNull) / <f32>scale;
  let at: usize = 0;
  for (let line: usize = 0; line < riderStride; line += few) {
    repeatLine(ofDelta + line, scratch, few, scale);
    for (let k = 0; k < scale; k++, at += bytes) passLine(z + at, delta + at, onNull, scratch, share, bytes);
  }
}

/** Where a mask (u32 of 0 or ~0, repeated every `maskBytes`) says which numbers belong to the range. */
export function passMasked(
  z: usize,
  delta: usize,
  onNull: f32,
  onRange: f32,
  mask: usize,
  maskBytes: usize,
): void {
  const rest = f32x4.splat(onNull);
  const range = f32x4.splat(onRange);
  for (let plane: usize = 0; plane < stride; plane += maskBytes) {
    let i: usize = 0;
    for (; i + 16 <= maskBytes; i += 16) {
      const at = plane + i;
      const weight = v128.bitselect(range, rest, v128.load(mask + i));
      v128.store(z + at, f32x4.add(v128.load(z + at), f32x4.mul(weight, v128.load(delta + at))));
    }
    for (; i < maskBytes; i += 4) {
      const at = plane + i;
      const weight = load<u32>(mask + i) ? onRange : onNull;
      f32.store(z + at, f32.load(z + at) + weight * f32.load(delta + at));
    }
  }
}
