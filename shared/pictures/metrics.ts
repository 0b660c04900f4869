/**
 * How close a restored picture is to its original: PSNR and SSIM on RGB and on luma, as the restoration literature reports
 * them. Pictures are [C, H, W] in [-1, 1] (C = 3, or 1 for gray); they are taken to [0, 1] and clamped first, but not rounded.
 */
import { InputError } from "../errors.js";
import type { PictureShape } from "../operators/operator.js";

/** Closeness of two pictures. */
export interface Quality {
  /** dB over all channels; Infinity for equal pictures (which JSON cannot hold: reports write null). */
  readonly psnr: number;
  /** dB on BT.601 luma; Infinity for equal luma. */
  readonly psnrY: number;
  /** Mean over channels, at most 1. */
  readonly ssim: number;
  /** SSIM of BT.601 luma, at most 1. */
  readonly ssimY: number;
  /** Largest absolute difference of one value, in 8-bit gray levels (0 to 255). */
  readonly largestDifference: number;
}

const windowSize = 11;
const sigma = 1.5;

/** Values in [-1, 1] to [0, 1], clamped. */
const toUnit = (values: Float32Array): Float64Array => {
  const unit = new Float64Array(values.length);
  // A loop: Float64Array.from with a function takes 25 times as long, seconds on a large photo.
  for (let i = 0; i < unit.length; i++) unit[i] = Math.min(Math.max((values[i]! + 1) / 2, 0), 1);
  return unit;
};

const meanSquare = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
};

const decibel = (mse: number): number => (mse === 0 ? Number.POSITIVE_INFINITY : -10 * Math.log10(mse));

/** BT.601 luma in [16/255, 235/255], as MATLAB's rgb2ycbcr; gray counts as R = G = B. */
const luma = (unit: Float64Array, { channels, height, width }: PictureShape): Float64Array => {
  const area = height * width;
  const green = channels === 1 ? 0 : area;
  const result = new Float64Array(area);
  for (let i = 0; i < area; i++) {
    result[i] = (16 + 65.481 * unit[i]! + 128.553 * unit[green + i]! + 24.966 * unit[2 * green + i]!) / 255;
  }
  return result;
};

const gaussian = (length: number): Float64Array => {
  const weights = Float64Array.from({ length }, (_, i) =>
    Math.exp(-((i - (length - 1) / 2) ** 2) / (2 * sigma * sigma)),
  );
  const total = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / total);
};

/** The largest odd length up to 11 that fits. */
const windowFor = (length: number): Float64Array => gaussian(Math.min(windowSize, length - 1 + (length % 2)));

/** Moments of one window: means of x, y, x^2, y^2 and xy. */
const moments = 5;

/** Weighted sums along one row for every window position: [5, positions]. */
const filterRow = (
  x: Float64Array,
  y: Float64Array,
  start: number,
  positions: number,
  weights: Float64Array,
): Float64Array => {
  const row = new Float64Array(moments * positions);
  for (let p = 0; p < positions; p++) {
    let sx = 0;
    let sy = 0;
    let sxx = 0;
    let syy = 0;
    let sxy = 0;
    for (let k = 0; k < weights.length; k++) {
      const w = weights[k]!;
      const a = x[start + p + k]!;
      const b = y[start + p + k]!;
      sx += w * a;
      sy += w * b;
      sxx += w * a * a;
      syy += w * b * b;
      sxy += w * a * b;
    }
    row[p] = sx;
    row[positions + p] = sy;
    row[2 * positions + p] = sxx;
    row[3 * positions + p] = syy;
    row[4 * positions + p] = sxy;
  }
  return row;
};

/**
 * SSIM of one channel: the mean over all windows that lie inside the picture. Where a side is shorter than the 11-pixel
 * window, the window shrinks along it to the largest odd length that fits, so that tiny pictures have a score too (one that
 * compares with nothing published).
 * Source: Wang, Bovik, Sheikh, Simoncelli 2004, equation 13: Gaussian window 11 x 11, sigma 1.5, K1 = 0.01, K2 = 0.03, L = 1.
 */
const ssimOfPlane = (x: Float64Array, y: Float64Array, height: number, width: number): number => {
  const across = windowFor(width);
  const down = windowFor(height);
  const positions = width - across.length + 1;
  const [c1, c2] = [0.01 ** 2, 0.03 ** 2];
  // Only the rows of the current window are kept: large pictures need no five maps in memory.
  const rows: Float64Array[] = [];
  const sums = new Float64Array(moments * positions);
  let total = 0;
  for (let line = 0; line < height; line++) {
    rows.push(filterRow(x, y, line * width, positions, across));
    if (rows.length < down.length) continue;
    sums.fill(0);
    rows.forEach((row, k) => {
      const w = down[k]!;
      for (let i = 0; i < sums.length; i++) sums[i]! += w * row[i]!;
    });
    rows.shift();
    for (let p = 0; p < positions; p++) {
      const mx = sums[p]!;
      const my = sums[positions + p]!;
      const vx = sums[2 * positions + p]! - mx * mx;
      const vy = sums[3 * positions + p]! - my * my;
      const cov = sums[4 * positions + p]! - mx * my;
      total += ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2));
    }
  }
  return total / (positions * (height - down.length + 1));
};

/**
 * Compares a restored picture with its original. Both are [C, H, W] in [-1, 1]; C is 3 or 1.
 *
 * PSNR is 10 log10(1 / MSE) on [0, 1]: Infinity for equal pictures. SSIM: see {@link Quality}; for sides under 11 pixels the
 * window shrinks to fit.
 * @throws InputError if the pictures do not both fit `shape`
 */
export function qualityAgainst(original: Float32Array, restored: Float32Array, shape: PictureShape): Quality {
  const { channels, height, width } = shape;
  const expected = channels * height * width;
  const fits = original.length === expected && restored.length === expected && expected > 0;
  if (!fits || (channels !== 1 && channels !== 3)) {
    throw new InputError(
      `cannot compare pictures of ${original.length} and ${restored.length} values as [${channels}, ${height}, ${width}]; both need that size, with 1 or 3 channels`,
    );
  }
  const x = toUnit(original);
  const y = toUnit(restored);
  const lumaX = luma(x, shape);
  const lumaY = luma(y, shape);
  const area = height * width;
  let ssim = 0;
  for (let c = 0; c < channels; c++) {
    const [from, to] = [c * area, (c + 1) * area];
    ssim += ssimOfPlane(x.subarray(from, to), y.subarray(from, to), height, width) / channels;
  }
  let largest = 0;
  for (let i = 0; i < expected; i++) largest = Math.max(largest, Math.abs(x[i]! - y[i]!));
  return {
    psnr: decibel(meanSquare(x, y)),
    psnrY: decibel(meanSquare(lumaX, lumaY)),
    ssim,
    ssimY: ssimOfPlane(lumaX, lumaY, height, width),
    largestDifference: largest * 255,
  };
}
