/** Range coordinates that are sums of few pixels: block means. */
import { scratch, stride } from "./layout";
import { addLine } from "./scan-rows";

/** Sums of neighbours: [a0 + a1, a2 + a3, b0 + b1, b2 + b3]. */
@inline
function pairs(a: v128, b: v128): v128 {
  return f32x4.add(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
}

/** riders = sum of each block of scale x scale pixels, divided by scale. */
export function poolBlocks(row: usize, riders: usize, width: i32, scale: i32): void {
  const bytes = <usize>width << 2;
  const block = bytes * <usize>scale;
  const share: f32 = <f32>1 / <f32>scale;
  const shares = f32x4.splat(share);
  let out = riders;
  for (let at: usize = 0; at < stride; at += block) {
    // Lines first.
    memory.copy(scratch, row + at, bytes);
    for (let line: usize = bytes; line < block; line += bytes) addLine(scratch, row + at + line, bytes);
    let i: usize = 0;
    if (scale == 2) {
      for (; i + 32 <= bytes; i += 32, out += 16) {
        v128.store(out, f32x4.mul(shares, pairs(v128.load(scratch + i), v128.load(scratch + i, 16))));
      }
    } else if (scale == 4) {
      for (; i + 64 <= bytes; i += 64, out += 16) {
        const a = pairs(v128.load(scratch + i), v128.load(scratch + i, 16));
        const b = pairs(v128.load(scratch + i, 32), v128.load(scratch + i, 48));
        v128.store(out, f32x4.mul(shares, pairs(a, b)));
      }
    }
    for (; i < bytes; out += 4) {
      let sum: f32 = 0;
      for (let s = 0; s < scale; s++, i += 4) sum += f32.load(scratch + i);
      f32.store(out, sum * share);
    }
  }
}
