/**
 * Products with banded matrices, along the lines of a plane: line i of the result is a sum of few lines that follow each other,
 *
 *     out_i = sum_k taps_i[k] line_{first_i + k}
 *
 * A table describes a matrix, three u32 for each of its rows: first, the number of taps, the address of the taps.
 */
import { transposeTile } from "./cosine-transform";
import { scratch, scratchLine, stride } from "./layout";
import { scanLine, steps } from "./scan-rows";

const rowBytes: usize = 12;

/**
 * @param from lines of `bytes` bytes
 * @param to receives `rows` lines of as many bytes
 */
export function bandedLines(from: usize, bytes: usize, table: usize, rows: i32, to: usize): void {
  let out = to;
  for (let i = 0, row = table; i < rows; i++, row += rowBytes, out += bytes) bandedLine(from, bytes, row, out);
}

/** One line of it. @param row its place in the table */
function bandedLine(from: usize, bytes: usize, row: usize, out: usize): void {
  const first = from + <usize>load<u32>(row) * bytes;
  const taps = <usize>load<u32>(row, 8);
  const end = taps + (<usize>load<u32>(row, 4) << 2);
  let x: usize = 0;
  for (; x + 64 <= bytes; x += 64) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    for (let t = taps, line = first + x; t < end; t += 4, line += bytes) {
      const tap = v128.load32_splat(t);
      a = f32x4.add(a, f32x4.mul(tap, v128.load(line)));
      b = f32x4.add(b, f32x4.mul(tap, v128.load(line, 16)));
      c = f32x4.add(c, f32x4.mul(tap, v128.load(line, 32)));
      d = f32x4.add(d, f32x4.mul(tap, v128.load(line, 48)));
    }
    v128.store(out + x, a);
    v128.store(out + x, b, 16);
    v128.store(out + x, c, 32);
    v128.store(out + x, d, 48);
  }
  for (; x + 16 <= bytes; x += 16) {
    let a = f32x4.splat(0);
    for (let t = taps, line = first + x; t < end; t += 4, line += bytes) {
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(t), v128.load(line)));
    }
    v128.store(out + x, a);
  }
  for (; x < bytes; x += 4) {
    let a: f32 = 0;
    for (let t = taps, line = first + x; t < end; t += 4, line += bytes) a += f32.load(t) * f32.load(line);
    f32.store(out + x, a);
  }
}

/**
 * The scan (`scan-rows.ts`) where what is added to the states is a banded product, made line by line when it is added: whole rows
 * of it would be written to memory, and read again.
 * @param sources n + 1 states' planes, of which the product is made; `sourceBytes` from one plane to the next
 * @param height lines of a picture's plane: rows of the table
 */
export function scanBands(sources: usize, sourceBytes: usize, table: usize, height: i32, width: i32): void {
  const bytes = <usize>width << 2;
  const added = scratch + 3 * scratchLine;
  const planes = <usize>(stride / (bytes * <usize>height));
  let at: usize = 0;
  for (let plane = sources; plane < sources + planes * sourceBytes; plane += sourceBytes) {
    for (let y = 0, row = table; y < height; y++, row += rowBytes, at += bytes) {
      for (let r = 0; r <= steps; r++) {
        const source = plane + <usize>r * planes * sourceBytes;
        bandedLine(source, bytes, row, added + <usize>r * scratchLine);
      }
      scanLine(at, bytes, added, scratchLine, 1);
    }
  }
}

/** Numbers times weights, one for each. @param to may be `from` */
export function weighNumbers(from: usize, weights: usize, to: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(to + i, f32x4.mul(v128.load(from + i), v128.load(weights + i)));
  }
  for (; i < bytes; i += 4) f32.store(to + i, f32.load(from + i) * f32.load(weights + i));
}

/** Lines become columns: `from` is height x width numbers, `to` width x height. */
export function turnPlane(from: usize, height: usize, width: usize, to: usize): void {
  const pitch = width << 2;
  const turned = height << 2;
  const tall = height & ~3;
  const wide = width & ~3;
  for (let y: usize = 0; y < height; y++) {
    // Four by four where there are as many, number by number at the edges.
    if ((y & 3) == 0 && y < tall) {
      for (let x: usize = 0; x < wide; x += 4) {
        transposeTile(from + y * pitch + (x << 2), pitch, to + x * turned + (y << 2), turned);
      }
    }
    for (let x: usize = y < tall ? wide : 0; x < width; x++) {
      f32.store(to + x * turned + (y << 2), f32.load(from + y * pitch + (x << 2)));
    }
  }
}
