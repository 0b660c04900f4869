/** Which numbers are measured: enough of them, spread over each part, and never none of a part that exists. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import type { RangeBasis } from "../operators/operator.js";
import { createOperator } from "../operators/task.js";
import { type PartSample, partFactors, partSamples } from "./sampling.js";
import { type Part, parts, rangeMask, type StateSpace, stateSize } from "./state-space.js";

/** Numbers of a part that are measured, where it has that many. */
const enough = 2048;

/** A space of 3-channel pictures. */
const spaceOf = (basis: RangeBasis, height: number, width: number): StateSpace => ({
  basis,
  picture: { channels: 3, height, width },
});

/** Inpainting that keeps the pixels for which `keeps` is true. */
function masked(height: number, width: number, keeps: (line: number, column: number) => boolean): StateSpace {
  const kept = Uint8Array.from({ length: height * width }, (_, i) =>
    keeps(Math.floor(i / width), i % width) ? 1 : 0,
  );
  return spaceOf({ kind: "pixel-mask", kept }, height, width);
}

/** The samples of a space that has some. */
function samplesOf(space: StateSpace): Record<Part, PartSample> {
  const samples = partSamples(space);
  if (!samples) throw new Error("this space is measured where it lies");
  return samples;
}

/** 1 for every number of a state that belongs to the range. */
function wholeMask(space: StateSpace): Uint8Array {
  const mask = rangeMask(space) ?? new Uint8Array();
  return Uint8Array.from({ length: stateSize(space) }, (_, i) => mask[i % mask.length]);
}

const countUp = (count: number): number[] => [...new Array(count).keys()];

/** Distances from one position to the next. */
const gaps = (positions: readonly number[]): number[] => positions.slice(1).map((at, i) => at - positions[i]);

/** The smallest of many numbers. */
const smallest = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b));

/** Of unit norm. */
const weights = Float32Array.from([0.36, 0.48, 0.8]);

const regularMasks: readonly [string, StateSpace][] = [
  ["even lines", masked(128, 128, (line) => line % 2 === 0)],
  ["odd lines", masked(128, 128, (line) => line % 2 === 1)],
  ["even columns", masked(128, 128, (_, column) => column % 2 === 0)],
  ["odd columns", masked(128, 128, (_, column) => column % 2 === 1)],
  ["a 2x2 grid", masked(128, 128, (line, column) => line % 2 === 0 && column % 2 === 0)],
  ["every third line", masked(192, 192, (line) => line % 3 === 0)],
  ["all but every third line", masked(192, 192, (line) => line % 3 !== 0)],
];

describe("small and separable spaces", () => {
  it("are measured whole up to 64x64: where they lie, or every block mean, gray value and number", () => {
    for (const sample of taskSamples) {
      const operator = operatorOf(sample);
      const samples = partSamples(operator);
      const { kind } = operator.basis;
      expect(samples === undefined, sample.name).toBe(kind === "separable" || kind === "pixel-mask");
      expect(partFactors(samples)).toEqual({ range: 1, null: 1 });
      if (!samples) continue;
      expect(samples.range.positions).toEqual(countUp(operator.rank));
      expect(samples.null.positions).toEqual(countUp(stateSize(operator)));
    }
  });

  it.each<[string, (height: number, width: number) => StateSpace]>([
    ["a mask", (height, width) => masked(height, width, (line) => line % 2 === 0)],
    ["block means", (height, width) => spaceOf({ kind: "block-mean", scale: 4 }, height, width)],
    ["gray values", (height, width) => spaceOf({ kind: "channel", weights }, height, width)],
  ])("of %s end at 64x64", (_, space) => {
    expect(partSamples(space(64, 64))?.null.positions.length ?? 12288).toBe(12288);
    expect(partSamples(space(64, 68))?.null.positions.length).toBe(enough);
  });

  it.each([
    createOperator({ task: "deblur-gauss", blurForm: "exact" }, { height: 80, width: 96 }),
    createOperator({ task: "sr-bicubic", scale: 4 }, { height: 96, width: 80 }),
    createOperator({ task: "cs-hadamard", ratio: 0.5, permutationSeed: 3 }, { height: 64, width: 64 }),
  ])("$task is measured whole where there is no fast transform, or the picture is small", (operator) => {
    expect(partSamples(operator)).toBeUndefined();
    expect(partFactors(undefined)).toEqual({ range: 1, null: 1 });
  });
});

describe.each([
  createOperator({ task: "deblur-gauss", blurForm: "exact" }, { height: 64, width: 128 }),
  createOperator({ task: "cs-hadamard", ratio: 0.5, permutationSeed: 3 }, { height: 64, width: 128 }),
])("spectral coordinates of a large picture: $task", (operator) => {
  const samples = samplesOf(operator);
  const mask = wholeMask(operator);
  const members = (part: Part) => mask.reduce((sum, v) => sum + Number(v === (part === "range" ? 1 : 0)), 0);

  it("have the lowest frequencies measured whole, and of the rest one in each of equally long runs", () => {
    for (const part of parts) {
      const { positions, weights, factor } = samples[part];
      const inPart = part === "range" ? 1 : 0;
      expect(factor).toBe(1);
      expect(positions.every((at) => mask[at] === inPart)).toBe(true);
      // Runs may begin and end within a number, which then belongs to two.
      expect(smallest(gaps(positions))).toBeGreaterThanOrEqual(0);
      if (members(part) <= 2 * enough) {
        expect([positions.length, weights]).toEqual([members(part), undefined]);
        continue;
      }
      expect(positions.length).toBe(2 * enough);
      expect(weights?.filter((weight) => weight === 1).length).toBe(enough);
      const counted = weights?.reduce((sum, weight) => sum + weight ** 2, 0);
      expect(counted).toBeCloseTo(members(part), 6);
    }
  });

  it("have the mean of every channel measured", () => {
    for (const at of [0, 64 * 128, 2 * 64 * 128]) {
      const { positions, weights } = samples[mask[at] === 1 ? "range" : "null"];
      const found = positions.indexOf(at);
      expect(found).toBeGreaterThanOrEqual(0);
      expect(weights?.[found] ?? 1).toBe(1);
    }
  });
});

describe.each<[string, StateSpace, number]>([
  ["block means", spaceOf({ kind: "block-mean", scale: 2 }, 256, 256), 3 * 128 * 128],
  ["block means of few", spaceOf({ kind: "block-mean", scale: 4 }, 96, 128), (3 * 96 * 128) / 16],
  ["gray values", spaceOf({ kind: "channel", weights }, 128, 128), 128 * 128],
])("large pictures whose range is %s", (_, space, rank) => {
  it("have one range coordinate and one number of each of equally long runs measured", () => {
    const samples = samplesOf(space);
    for (const [part, count] of [
      ["range", rank],
      ["null", stateSize(space)],
    ] as const) {
      const { positions, factor } = samples[part];
      const run = Math.max(1, count / enough);
      expect(positions.length).toBe(Math.min(enough, count));
      expect(factor).toBeCloseTo(run, 9);
      expect(partFactors(samples)[part]).toBe(factor);
      // Runs may begin and end within a number, which then belongs to two.
      expect(smallest(gaps(positions))).toBeGreaterThanOrEqual(Number.isInteger(run) ? 1 : 0);
      for (const [i, at] of positions.entries()) {
        if (!(at > i * run - 1 && at < (i + 1) * run)) expect.fail(`sample ${i} of ${part}: ${at}`);
      }
    }
  });

  it("meet every offset within blocks, lines and channels alike", () => {
    const { positions } = samplesOf(space).null;
    for (const period of [2, 3, 4, 8, 16]) {
      const counts = new Array<number>(period).fill(0);
      for (const at of positions) counts[at % period]++;
      expect(smallest(counts) / (enough / period), `period ${period}`).toBeGreaterThan(0.75);
    }
  });
});

describe.each(regularMasks)("a mask that keeps %s", (_, space) => {
  const samples = samplesOf(space);
  const mask = wholeMask(space);

  it("has enough samples of both parts, each inside its part, ascending and unique", () => {
    for (const part of parts) {
      const { positions } = samples[part];
      const inPart = part === "range" ? 1 : 0;
      expect(positions.length).toBe(enough);
      expect(positions.every((at) => mask[at] === inPart)).toBe(true);
      expect(smallest(gaps(positions))).toBeGreaterThan(0);
    }
  });

  it("has factors that count every number once", () => {
    const kept = mask.reduce((sum, v) => sum + v, 0);
    expect(samples.range.factor * samples.range.positions.length).toBe(kept);
    expect(samples.null.factor * samples.null.positions.length).toBe(mask.length - kept);
  });

  it("is sampled at every place of its runs alike, not at every k-th number", () => {
    for (const part of parts) {
      const inPart = part === "range" ? 1 : 0;
      const members = [...mask.keys()].filter((i) => mask[i] === inPart);
      const rank = new Map(members.map((at, i) => [at, i]));
      const run = members.length / enough;
      const counts = new Array<number>(run).fill(0);
      for (const [i, at] of samples[part].positions.entries())
        counts[(rank.get(at) ?? Number.NaN) - i * run]++;
      expect(smallest(counts) / (enough / run), part).toBeGreaterThan(0.75);
    }
  });

  it("is sampled in every channel and every quarter of the picture", () => {
    const { height, width } = space.picture;
    const area = height * width;
    for (const part of parts) {
      const counts = new Array<number>(12).fill(0);
      for (const at of samples[part].positions) {
        const [line, column] = [Math.floor((at % area) / width), at % width];
        counts[4 * Math.floor(at / area) + 2 * Number(2 * line >= height) + Number(2 * column >= width)]++;
      }
      expect(smallest(counts) / (enough / 12), part).toBeGreaterThan(0.75);
    }
  });
});

describe("any mask", () => {
  const masks = fc.record({
    height: fc.integer({ min: 65, max: 140 }),
    width: fc.integer({ min: 65, max: 140 }),
    threshold: fc.double({ min: -1, max: 1, noNaN: true }),
    seed: fc.nat(),
  });
  const spaceFrom = ({
    height,
    width,
    threshold,
    seed,
  }: {
    height: number;
    width: number;
    threshold: number;
    seed: number;
  }) => {
    const draws = seededValues(height * width, seed);
    return masked(height, width, (line, column) => draws[line * width + column] < threshold);
  };

  it("is sampled evenly: one number of each run of a part, small parts whole", () => {
    fc.assert(
      fc.property(masks, (settings) => {
        const space = spaceFrom(settings);
        const samples = samplesOf(space);
        const mask = wholeMask(space);
        for (const part of parts) {
          const inPart = part === "range" ? 1 : 0;
          const rank = new Map([...mask.keys()].filter((i) => mask[i] === inPart).map((at, i) => [at, i]));
          if (rank.size === 0) continue;
          const run = Math.max(1, rank.size / enough);
          expect(samples[part].positions.length).toBe(Math.min(rank.size, enough));
          expect(samples[part].factor).toBeCloseTo(run, 9);
          for (const [i, at] of samples[part].positions.entries()) {
            const found = rank.get(at) ?? Number.NaN;
            // Runs may begin and end within a number, which then belongs to two.
            if (!(found > i * run - 1 && found < (i + 1) * run)) expect.fail(`sample ${i} of ${part}: ${at}`);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is sampled the same wherever it is asked", () => {
    fc.assert(
      fc.property(masks, (settings) => {
        expect(partSamples(spaceFrom(settings))).toEqual(partSamples(spaceFrom(settings)));
      }),
      { numRuns: 5 },
    );
  });

  it("that keeps a single pixel has all of its three numbers measured", () => {
    const { range, null: rest } = samplesOf(masked(100, 100, (line, column) => line === 7 && column === 9));
    expect(range).toEqual({ positions: [709, 10709, 20709], factor: 1 });
    expect(rest.positions.length).toBe(enough);
  });

  it("that keeps everything has a null part that counts nothing", () => {
    const space = masked(100, 100, () => true);
    const { range, null: rest } = samplesOf(space);
    expect(rest).toEqual({ positions: [0], factor: 0 });
    expect(range.factor * range.positions.length).toBeCloseTo(stateSize(space), 6);
  });
});
