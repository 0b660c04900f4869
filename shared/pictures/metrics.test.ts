import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { decodePicture } from "./decode.js";
import { qualityAgainst } from "./metrics.js";

const photo = (name: string) => decodePicture(new URL(`../../photos/${name}.png`, import.meta.url).pathname);

/** A repeatable stand-in for noise in [-0.5, 0.5). */
const jitter = (i: number): number => {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return x - Math.floor(x) - 0.5;
};

/**
 * SSIM straight from the paper: for every window position the two-dimensional weights, then weighted means, variances and
 * covariance about those means.
 */
const directSsim = (x: number[], y: number[], height: number, width: number): number => {
  const weights: number[] = [];
  for (let j = -5; j <= 5; j++) {
    for (let i = -5; i <= 5; i++) weights.push(Math.exp(-(i * i + j * j) / 4.5));
  }
  const total = weights.reduce((a, b) => a + b);
  const scores: number[] = [];
  for (let top = 0; top + 11 <= height; top++) {
    for (let left = 0; left + 11 <= width; left++) {
      const at = weights.map((_, k) => (top + Math.floor(k / 11)) * width + left + (k % 11));
      const mean = (f: (index: number) => number): number =>
        at.reduce((sum, index, k) => sum + (weights[k]! / total) * f(index), 0);
      const mx = mean((i) => x[i]!);
      const my = mean((i) => y[i]!);
      const vx = mean((i) => (x[i]! - mx) ** 2);
      const vy = mean((i) => (y[i]! - my) ** 2);
      const cov = mean((i) => (x[i]! - mx) * (y[i]! - my));
      scores.push(
        ((2 * mx * my + 0.0001) * (2 * cov + 0.0009)) / ((mx ** 2 + my ** 2 + 0.0001) * (vx + vy + 0.0009)),
      );
    }
  }
  return scores.reduce((a, b) => a + b) / scores.length;
};

describe("qualityAgainst", () => {
  it("agrees with a direct computation of SSIM, per channel and on luma", () => {
    const [height, width] = [17, 23];
    const area = height * width;
    const original = Float32Array.from({ length: 3 * area }, (_, i) => Math.sin(i / 7) * 0.8);
    const restored = original.map((v, i) => v + 1.2 * jitter(i));
    const quality = qualityAgainst(original, restored, { channels: 3, height, width });
    const unit = (values: Float32Array): number[] =>
      [...values].map((v) => Math.min(Math.max((v + 1) / 2, 0), 1));
    const [x, y] = [unit(original), unit(restored)];
    const perChannel = [0, 1, 2].map((c) =>
      directSsim(x.slice(c * area, (c + 1) * area), y.slice(c * area, (c + 1) * area), height, width),
    );
    expect(quality.ssim).toBeCloseTo(perChannel.reduce((a, b) => a + b) / 3, 10);
    const luma = (v: number[]): number[] =>
      Array.from(
        { length: area },
        (_, i) => (16 + 65.481 * v[i]! + 128.553 * v[area + i]! + 24.966 * v[2 * area + i]!) / 255,
      );
    expect(quality.ssimY).toBeCloseTo(directSsim(luma(x), luma(y), height, width), 10);
    expect(quality.ssim).toBeLessThan(0.95);
  });

  it("gives the PSNR of a known error, on RGB and on luma", () => {
    const shape = { channels: 3, height: 12, width: 12 };
    const original = new Float32Array(432).fill(-0.2);
    // One channel off by 0.2 in [-1, 1] is 0.1 in [0, 1]: MSE 0.01 / 3.
    const restored = original.map((v, i) => (i < 144 ? v + 0.2 : v));
    const quality = qualityAgainst(original, restored, shape);
    expect(quality.psnr).toBeCloseTo(-10 * Math.log10(0.01 / 3), 4);
    expect(quality.psnrY).toBeCloseTo(-20 * Math.log10((65.481 / 255) * 0.1), 4);
    expect(quality.largestDifference).toBeCloseTo(25.5, 4);
  });

  it("calls equal pictures equal: infinite PSNR, SSIM 1, no difference", async () => {
    const { values, shape } = await photo("astronaut");
    expect(qualityAgainst(values, values.slice(), shape)).toEqual({
      psnr: Number.POSITIVE_INFINITY,
      psnrY: Number.POSITIVE_INFINITY,
      ssim: expect.closeTo(1, 12),
      ssimY: expect.closeTo(1, 12),
      largestDifference: 0,
    });
  });

  it("ranks a photo with more noise lower by every measure", async () => {
    const { values, shape } = await photo("chelsea");
    const noisy = (strength: number) =>
      qualityAgainst(
        values,
        values.map((v, i) => v + strength * jitter(i)),
        shape,
      );
    const [mild, strong] = [noisy(0.05), noisy(0.5)];
    for (const measure of ["psnr", "psnrY", "ssim", "ssimY"] as const) {
      expect(strong[measure]).toBeLessThan(mild[measure]);
    }
    expect(strong.largestDifference).toBeGreaterThan(mild.largestDifference);
  });

  it("clamps before it compares", () => {
    const shape = { channels: 1, height: 11, width: 11 };
    const quality = qualityAgainst(new Float32Array(121).fill(1), new Float32Array(121).fill(3), shape);
    expect(quality.psnr).toBe(Number.POSITIVE_INFINITY);
  });

  it("scores gray as it scores the same gray in three channels", () => {
    const gray = Float32Array.from({ length: 150 }, (_, i) => Math.cos(i / 5));
    const other = gray.map((v, i) => v + 0.1 * jitter(i));
    const thrice = (v: Float32Array): Float32Array => Float32Array.from([...v, ...v, ...v]);
    const one = qualityAgainst(gray, other, { channels: 1, height: 10, width: 15 });
    const three = qualityAgainst(thrice(gray), thrice(other), { channels: 3, height: 10, width: 15 });
    for (const measure of ["psnr", "psnrY", "ssim", "ssimY", "largestDifference"] as const) {
      expect(one[measure]).toBeCloseTo(three[measure], 10);
    }
  });

  it("shrinks the window for tiny pictures and stays symmetric, finite and at most 1", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(),
        (height, width, seed) => {
          const shape = { channels: 1, height, width };
          const a = Float32Array.from({ length: height * width }, (_, i) => 2 * jitter(i + seed));
          const b = Float32Array.from({ length: height * width }, (_, i) => 2 * jitter(i + seed + 1));
          const there = qualityAgainst(a, b, shape);
          const back = qualityAgainst(b, a, shape);
          expect(there.ssim).toBeCloseTo(back.ssim, 10);
          expect(there.ssim).toBeLessThanOrEqual(1 + 1e-12);
          expect(there.psnr).toBe(back.psnr);
        },
      ),
    );
  });

  it("refuses pictures of different sizes", () => {
    expect(() =>
      qualityAgainst(new Float32Array(3), new Float32Array(6), { channels: 3, height: 1, width: 1 }),
    ).toThrow(InputError);
  });
});
