import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exactBlur, negligibleBlurSingularValue } from "./blur.js";
import { type BlurTask, blurKernels, blurTasks } from "./blur-kernels.js";
import type { PictureShape } from "./operator.js";

/** Blurs by definition: every output pixel is a weighted sum of pixels around it, the picture mirrored at its edges. */
function convolve(x: Float32Array, { channels, height, width }: PictureShape, task: BlurTask): Float32Array {
  const { rows, columns } = blurKernels(task);
  const mirrored = (p: number, n: number): number => {
    if (p < 0) return mirrored(-1 - p, n);
    return p < n ? p : mirrored(2 * n - 1 - p, n);
  };
  return Float32Array.from({ length: channels * height * width }, (_, p) => {
    const c = Math.floor(p / (height * width));
    const i = Math.floor(p / width) % height;
    const j = p % width;
    let sum = 0;
    for (const [k, down] of rows.entries()) {
      const row = mirrored(i + k - (rows.length - 1) / 2, height);
      for (const [l, across] of columns.entries()) {
        const column = mirrored(j + l - (columns.length - 1) / 2, width);
        sum += down * across * x[(c * height + row) * width + column]!;
      }
    }
    return sum;
  });
}

const norm = (a: Float32Array) => Math.sqrt(a.reduce((sum, v) => sum + v * v, 0));
const minus = (a: Float32Array, b: Float32Array) => a.map((v, i) => v - b[i]!);

const sample = fc
  .record({ height: fc.integer({ min: 1, max: 20 }), width: fc.integer({ min: 1, max: 20 }) })
  .chain((size) => {
    const n = 3 * size.height * size.width;
    const values = fc.array(fc.integer({ min: -255, max: 255 }), { minLength: n, maxLength: n });
    return values.map((v) => ({
      picture: { channels: 3, ...size },
      x: Float32Array.from(v, (b) => b / 255),
    }));
  });

describe.each(blurTasks)("%s", (task) => {
  it("is the convolution on the range of A, and off it by less than the limit", () => {
    fc.assert(
      fc.property(sample, ({ picture, x }) => {
        const operator = exactBlur(picture, task);
        const inRange = operator.fromSpectrum(operator.toSpectrum(x));
        const outside = minus(x, inRange);
        const rounding = 2e-6 * norm(x) + 1e-12;
        expect(norm(minus(operator.apply(inRange), convolve(inRange, picture, task)))).toBeLessThan(rounding);
        expect(norm(convolve(outside, picture, task))).toBeLessThan(
          negligibleBlurSingularValue * norm(outside) + rounding,
        );
      }),
      { numRuns: 50 },
    );
  });

  it("inverts a measurement made by convolution as one made by A", () => {
    fc.assert(
      fc.property(sample, ({ picture, x }) => {
        const operator = exactBlur(picture, task);
        const fromConvolution = operator.pseudoInverse(convolve(x, picture, task));
        const fromOperator = operator.pseudoInverse(operator.apply(x));
        expect(norm(minus(fromConvolution, fromOperator))).toBeLessThan(1e-4 * norm(x) + 1e-12);
      }),
      { numRuns: 50 },
    );
  });

  it("keeps a constant picture", () => {
    const picture = { channels: 3, height: 12, width: 17 };
    const flat = new Float32Array(3 * 12 * 17).fill(0.5);
    expect(norm(minus(exactBlur(picture, task).apply(flat), flat))).toBeLessThan(1e-5);
  });
});

it("blurs little along the height and much along the width in deblur-aniso, as the reference", () => {
  const { rows, columns } = blurKernels("deblur-aniso");
  expect(rows[4]).toBeCloseTo(0.399, 3);
  expect(columns[4]).toBeCloseTo(0.112, 3);
});
