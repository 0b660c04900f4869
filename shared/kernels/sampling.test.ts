/** Which numbers are measured: enough of them, spread over each part, and never none of a part that exists. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import type { RangeBasis } from "../operators/operator.js";
import { createOperator } from "../operators/task.js";
import { type PartSample, partSamples } from "./sampling.js";
import { parts, rangeMask, type StateSpace, stateSize } from "./state-space.js";

/** Numbers of a part that are measured, where it has that many. */
const enough = 6144;

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

/** The positions of a part that is sampled. */
function positionsOf({ positions }: PartSample): readonly number[] {
  if (!positions) throw new Error("this part is measured whole");
  return positions;
}

/** Distances from one position to the next. */
const gaps = (positions: readonly number[]): number[] => positions.slice(1).map((at, i) => at - positions[i]);

/** The smallest of many numbers. */
const smallest = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b));

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
  it("are measured whole up to 64x64, riders on the range", () => {
    for (const sample of taskSamples) {
      const operator = operatorOf(sample);
      const { range, null: rest } = partSamples(operator);
      expect([range.positions, rest.positions]).toEqual([undefined, undefined]);
      expect([range.factor, rest.factor]).toEqual([1, 1]);
      expect(rest.size).toBe(stateSize(operator));
    }
    expect(partSamples(masked(64, 64, (line) => line % 2 === 0)).null.positions).toBeUndefined();
    expect(partSamples(masked(64, 65, (line) => line % 2 === 0)).null.positions).toBeDefined();
  });

  it.each([
    createOperator({ task: "deblur-gauss", blurForm: "exact" }, { height: 80, width: 96 }),
    createOperator({ task: "sr-bicubic", scale: 4 }, { height: 96, width: 80 }),
    createOperator({ task: "cs-hadamard", ratio: 0.5, permutationSeed: 3 }, { height: 64, width: 128 }),
  ])("$task is measured whole at any size", (operator) => {
    const { range, null: rest } = partSamples(operator);
    expect([range.positions, rest.positions]).toEqual([undefined, undefined]);
    expect([range.factor, rest.factor]).toEqual([1, 1]);
    expect(rest.size).toBe(stateSize(operator));
  });
});

describe.each<[string, StateSpace, number]>([
  ["block means", spaceOf({ kind: "block-mean", scale: 4 }, 128, 128), (3 * 128 * 128) / 16],
  ["gray values", spaceOf({ kind: "channel", weights: new Float32Array(3) }, 128, 128), 128 * 128],
])("large pictures with %s as riders", (_, space, riders) => {
  it("have all riders measured, and one number of each run of eight on the null space", () => {
    const { range, null: rest } = partSamples(space);
    expect(range).toEqual({ positions: undefined, size: riders, factor: 1 });
    expect(rest.size).toBe(enough);
    expect(rest.factor).toBe(8);
    expect(positionsOf(rest).map((at) => Math.floor(at / 8))).toEqual([...new Array(enough).keys()]);
  });

  it("meet every offset within blocks, lines and channels alike", () => {
    const positions = positionsOf(partSamples(space).null);
    for (const period of [2, 3, 4, 8, 16]) {
      const counts = new Array<number>(period).fill(0);
      for (const at of positions) counts[at % period]++;
      expect(smallest(counts) / (enough / period), `period ${period}`).toBeGreaterThan(0.75);
    }
  });
});

describe.each(regularMasks)("a mask that keeps %s", (_, space) => {
  const samples = partSamples(space);
  const mask = rangeMask(space);

  it("has enough samples of both parts, each inside its part, ascending and unique", () => {
    for (const part of parts) {
      const positions = positionsOf(samples[part]);
      const inPart = part === "range" ? 1 : 0;
      expect(positions.length).toBe(samples[part].size);
      expect(samples[part].size).toBe(enough);
      expect(positions.every((at) => mask[at] === inPart)).toBe(true);
      expect(smallest(gaps(positions))).toBeGreaterThan(0);
    }
  });

  it("has factors that count every number once", () => {
    const kept = mask.reduce((sum, v) => sum + v, 0);
    expect(samples.range.factor * samples.range.size).toBe(kept);
    expect(samples.null.factor * samples.null.size).toBe(mask.length - kept);
  });

  it("is sampled at every place of its runs alike, not at every k-th number", () => {
    for (const part of parts) {
      const inPart = part === "range" ? 1 : 0;
      const members = [...mask.keys()].filter((i) => mask[i] === inPart);
      const rank = new Map(members.map((at, i) => [at, i]));
      const run = members.length / enough;
      const counts = new Array<number>(run).fill(0);
      for (const [i, at] of positionsOf(samples[part]).entries())
        counts[(rank.get(at) ?? Number.NaN) - i * run]++;
      expect(smallest(counts) / (enough / run), part).toBeGreaterThan(0.75);
    }
  });

  it("is sampled in every channel and every quarter of the picture", () => {
    const { height, width } = space.picture;
    const area = height * width;
    for (const part of parts) {
      const counts = new Array<number>(12).fill(0);
      for (const at of positionsOf(samples[part])) {
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
        const samples = partSamples(space);
        const mask = rangeMask(space);
        for (const part of parts) {
          const inPart = part === "range" ? 1 : 0;
          const rank = new Map([...mask.keys()].filter((i) => mask[i] === inPart).map((at, i) => [at, i]));
          if (rank.size === 0) continue;
          const run = Math.max(1, rank.size / enough);
          expect(samples[part].size).toBe(Math.min(rank.size, enough));
          expect(samples[part].factor).toBeCloseTo(run, 9);
          for (const [i, at] of positionsOf(samples[part]).entries()) {
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
    const { range, null: rest } = partSamples(masked(100, 100, (line, column) => line === 7 && column === 9));
    expect(range).toEqual({ positions: [709, 10709, 20709], size: 3, factor: 1 });
    expect(rest.size).toBe(enough);
  });

  it("that keeps everything has a null part that counts nothing", () => {
    const space = masked(100, 100, () => true);
    const { range, null: rest } = partSamples(space);
    expect(rest).toEqual({ positions: [0], size: 1, factor: 0 });
    expect(range.factor * range.size).toBeCloseTo(stateSize(space), 6);
  });
});
