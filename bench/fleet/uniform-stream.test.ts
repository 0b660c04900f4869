import { expect, it } from "vitest";
import { UniformStream } from "./uniform-stream.js";

const draws = (stream: UniformStream, count: number) => Array.from({ length: count }, () => stream.next());

it("repeats itself, and differs by seed, subject and index", () => {
  const all = [
    { seed: 0, subject: 0, index: 0 },
    { seed: 1, subject: 0, index: 0 },
    { seed: 2 ** 40, subject: 0, index: 0 },
    { seed: 0, subject: 1, index: 0 },
    { seed: 0, subject: 0, index: 1 },
  ];
  const streams = () => all.map(({ seed, subject, index }) => new UniformStream(seed, subject, index));
  const first = streams().map((stream) => draws(stream, 9));
  expect(streams().map((stream) => draws(stream, 9))).toEqual(first);
  expect(new Set(first.flat()).size).toBe(9 * all.length);
});

it("is uniform on (0, 1), and exponential on demand", () => {
  const count = 20_000;
  const values = draws(new UniformStream(3, 0, 7), count);
  const mean = (of: readonly number[]) => of.reduce((sum, v) => sum + v, 0) / count;
  // Five standard deviations of the mean of so many.
  expect(Math.abs(mean(values) - 1 / 2)).toBeLessThan(5 / Math.sqrt(12 * count));
  expect(Math.abs(mean(values.map((v) => v ** 2)) - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / count));
  expect(values.every((v) => v > 0 && v < 1)).toBe(true);
  const stream = new UniformStream(3, 1, 7);
  const times = Array.from({ length: count }, () => stream.exponential(40));
  expect(Math.abs(mean(times) - 40)).toBeLessThan((5 * 40) / Math.sqrt(count));
});
