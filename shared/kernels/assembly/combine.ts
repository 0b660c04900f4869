/**
 * One combination of rows, with a coefficient for each row on the null space and one on the range:
 *
 *     out = sum_k null_k row_k + P sum_k (range_k - null_k) row_k
 *
 * A list of terms lies in memory: address of the row, address of its riders (0 where there are none), null_k, range_k; 16
 * bytes each. `out` may be one of the rows.
 */
import { riderStride, scratch, stride } from "./layout";
import { addLine, addScaled, repeatLine } from "./scan-rows";

const termBytes: usize = 16;

@inline
function rowOf(term: usize): usize {
  return <usize>load<u32>(term);
}

@inline
function ridersOf(term: usize): usize {
  return <usize>load<u32>(term, 4);
}

/** out = sum_k null_k row_k over the first `bytes` of the rows. */
export function combineRows(terms: usize, count: i32, out: usize, bytes: usize): void {
  const zero = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 64 <= bytes; i += 64) {
    let a = zero;
    let b = zero;
    let c = zero;
    let d = zero;
    for (let k = 0, term = terms; k < count; k++, term += termBytes) {
      const weight = v128.load32_splat(term, 8);
      const row = rowOf(term) + i;
      a = f32x4.add(a, f32x4.mul(weight, v128.load(row)));
      b = f32x4.add(b, f32x4.mul(weight, v128.load(row, 16)));
      c = f32x4.add(c, f32x4.mul(weight, v128.load(row, 32)));
      d = f32x4.add(d, f32x4.mul(weight, v128.load(row, 48)));
    }
    v128.store(out + i, a);
    v128.store(out + i, b, 16);
    v128.store(out + i, c, 32);
    v128.store(out + i, d, 48);
  }
  for (; i < bytes; i += 4) {
    let sum: f32 = 0;
    for (let k = 0, term = terms; k < count; k++, term += termBytes) {
      sum += f32.load(term, 8) * f32.load(rowOf(term) + i);
    }
    f32.store(out + i, sum);
  }
}

/**
 * Riders of a combination.
 * @param riders receives sum_k range_k riders_k
 * @param difference receives sum_k (range_k - null_k) riders_k
 */
export function combineRiders(terms: usize, count: i32, riders: usize, difference: usize): void {
  const zero = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 32 <= riderStride; i += 32) {
    let onNull = zero;
    let onRange = zero;
    let onNull2 = zero;
    let onRange2 = zero;
    for (let k = 0, term = terms; k < count; k++, term += termBytes) {
      const value = v128.load(ridersOf(term) + i);
      const value2 = v128.load(ridersOf(term) + i, 16);
      const nullWeight = v128.load32_splat(term, 8);
      const rangeWeight = v128.load32_splat(term, 12);
      onNull = f32x4.add(onNull, f32x4.mul(nullWeight, value));
      onRange = f32x4.add(onRange, f32x4.mul(rangeWeight, value));
      onNull2 = f32x4.add(onNull2, f32x4.mul(nullWeight, value2));
      onRange2 = f32x4.add(onRange2, f32x4.mul(rangeWeight, value2));
    }
    v128.store(difference + i, f32x4.sub(onRange, onNull));
    v128.store(difference + i, f32x4.sub(onRange2, onNull2), 16);
    v128.store(riders + i, onRange);
    v128.store(riders + i, onRange2, 16);
  }
  for (; i < riderStride; i += 4) {
    let onNull: f32 = 0;
    let onRange: f32 = 0;
    for (let k = 0, term = terms; k < count; k++, term += termBytes) {
      const value = f32.load(ridersOf(term) + i);
      onNull += f32.load(term, 8) * value;
      onRange += f32.load(term, 12) * value;
    }
    f32.store(difference + i, onRange - onNull);
    f32.store(riders + i, onRange);
  }
}

/** out += riders, each repeated over its block of scale x scale pixels and divided by scale. */
export function addBlocks(riders: usize, out: usize, width: i32, scale: i32): void {
  const bytes = <usize>width << 2;
  const few = bytes / <usize>scale;
  const share: f32 = <f32>1 / <f32>scale;
  let line = out;
  for (let at: usize = 0; at < riderStride; at += few) {
    repeatLine(riders + at, scratch, few, scale);
    for (let s = 0; s < scale; s++, line += bytes) addScaled(line, scratch, share, bytes);
  }
}

/** out += added, a whole row. */
export function addRow(out: usize, added: usize): void {
  addLine(out, added, stride);
}

/** A combination whose coefficients are the range's where `mask` (u32 of 0 or ~0, repeated every `maskBytes`) is set. */
export function combineMasked(terms: usize, count: i32, out: usize, mask: usize, maskBytes: usize): void {
  for (let plane: usize = 0; plane < stride; plane += maskBytes) {
    let i: usize = 0;
    for (; i + 64 <= maskBytes; i += 64) {
      const ma = v128.load(mask + i);
      const mb = v128.load(mask + i, 16);
      const mc = v128.load(mask + i, 32);
      const md = v128.load(mask + i, 48);
      let a = f32x4.splat(0);
      let b = a;
      let c = a;
      let d = a;
      for (let k = 0, term = terms; k < count; k++, term += termBytes) {
        const range = v128.load32_splat(term, 12);
        const rest = v128.load32_splat(term, 8);
        const row = rowOf(term) + plane + i;
        a = f32x4.add(a, f32x4.mul(v128.bitselect(range, rest, ma), v128.load(row)));
        b = f32x4.add(b, f32x4.mul(v128.bitselect(range, rest, mb), v128.load(row, 16)));
        c = f32x4.add(c, f32x4.mul(v128.bitselect(range, rest, mc), v128.load(row, 32)));
        d = f32x4.add(d, f32x4.mul(v128.bitselect(range, rest, md), v128.load(row, 48)));
      }
      v128.store(out + plane + i, a);
      v128.store(out + plane + i, b, 16);
      v128.store(out + plane + i, c, 32);
      v128.store(out + plane + i, d, 48);
    }
    for (; i + 16 <= maskBytes; i += 16) {
      const chosen = v128.load(mask + i);
      let sum = f32x4.splat(0);
      for (let k = 0, term = terms; k < count; k++, term += termBytes) {
        const weight = v128.bitselect(v128.load32_splat(term, 12), v128.load32_splat(term, 8), chosen);
        sum = f32x4.add(sum, f32x4.mul(weight, v128.load(rowOf(term) + plane + i)));
      }
      v128.store(out + plane + i, sum);
    }
    for (; i < maskBytes; i += 4) {
      const chosen = load<u32>(mask + i);
      let sum: f32 = 0;
      for (let k = 0, term = terms; k < count; k++, term += termBytes) {
        const weight = chosen ? f32.load(term, 12) : f32.load(term, 8);
        sum += weight * f32.load(rowOf(term) + plane + i);
      }
      f32.store(out + plane + i, sum);
    }
  }
}
