/** The fast transforms, held to dense matrices in double precision. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectNear, FilledRows, sameBits } from "../../test/filled-rows.js";
import { norm, relativeDistance, seededValues } from "../../test/seeded-values.js";
import { exactBlur } from "../operators/blur.js";
import { cosineVectors } from "../operators/cosine-vectors.js";
import { type DenseMatrix, denseMatrix, multiply, transpose } from "../operators/dense-matrix.js";
import type { FastBasis } from "../operators/operator.js";
import { createOperator } from "../operators/task.js";
import { walshHadamard } from "../operators/walsh-hadamard.js";
import { cosineTableWords, writeCosineTable } from "./cosine-table.js";
import { planFastTransform } from "./fast-transform.js";
import { RowPlan } from "./row-memory.js";
import { loadStateKernels, type StateKernels } from "./state-kernels.js";
import * as reference from "./state-reference.js";

/** Rounding of a dozen additions and multiplications, in single precision. */
const close = 5e-7;

/** A transform of `channels` planes, with room for numbers on both sides; all other memory is NaN. */
function transformOf(basis: FastBasis, height: number, width: number, channels = 1) {
  const plan = new RowPlan();
  const area = height * width;
  const fence = 16;
  const fences = [plan.words(fence)];
  const from = plan.words(channels * area);
  fences.push(plan.words(fence));
  const to = plan.words(channels * area);
  fences.push(plan.words(fence));
  const attach = planFastTransform(basis, { channels, height, width }, plan);
  const { memory, kernels } = plan.allocate();
  new Float32Array(memory).fill(Number.NaN);
  const transform = attach(memory, kernels);
  const given = new Float32Array(memory, from, channels * area);
  const made = new Float32Array(memory, to, channels * area);
  /** The transform of numbers: into another place, then in place, to the same effect. */
  const apply = (direction: "analyse" | "synthesise", values: Float32Array): Float32Array => {
    given.set(values);
    made.fill(Number.NaN);
    transform[direction](from, to, 1);
    expect(sameBits(given, values), "what is transformed stays").toBe(true);
    const result = made.slice();
    transform[direction](from, from, 1);
    expect(sameBits(given, result), "in place").toBe(true);
    for (const at of fences) {
      expect(new Float32Array(memory, at, fence).every(Number.isNaN), "numbers beside").toBe(true);
    }
    return result;
  };
  return {
    analyse: (x: Float32Array) => apply("analyse", x),
    synthesise: (u: Float32Array) => apply("synthesise", u),
  };
}

const known = new Map<number, DenseMatrix>();
/** {@link cosineVectors}, kept. */
function cosines(n: number): DenseMatrix {
  const V = known.get(n) ?? cosineVectors(n);
  known.set(n, V);
  return V;
}

const pickRows = (a: DenseMatrix, rows: readonly number[]) =>
  denseMatrix(rows.length, a.columns, (i, j) => a.values[rows[i] * a.columns + j]);

/** All rows of few; of many, some in every part and those the transform treats in a way of their own. */
function rowsToCheck(height: number): number[] {
  const all = [...Array(height).keys()];
  const half = height / 2;
  const own = [0, 1, half / 2, half - 1, half, half + 1, height - half / 2, height - 1];
  return height <= 64 ? all : all.filter((k) => own.includes(k) || k % 67 === 5);
}

const sizes = [8, 16, 32, 64, 128, 256, 512, 1024];
const pairs = sizes.flatMap((height) => sizes.map((width) => [height, width] as const));
const longest = [
  [4096, 8],
  [8, 4096],
  [2048, 16],
] as const;

describe.each([...pairs, ...longest])("cosine transform of %i x %i", (height, width) => {
  const { analyse, synthesise } = transformOf("cosine", height, width);
  const x = seededValues(height * width, height + 3 * width);
  const rows = rowsToCheck(height);
  const plane: DenseMatrix = { rows: height, columns: width, values: Float64Array.from(x) };
  const ofRows = (values: Float32Array) =>
    rows.flatMap((k) => [...values.subarray(k * width, (k + 1) * width)]);

  it("is the dense DCT-II", () => {
    const expected = multiply(multiply(pickRows(transpose(cosines(height)), rows), plane), cosines(width));
    expect(relativeDistance(ofRows(analyse(x)), expected.values)).toBeLessThan(close);
  });

  it("back is its transpose", () => {
    const expected = multiply(multiply(pickRows(cosines(height), rows), plane), transpose(cosines(width)));
    expect(relativeDistance(ofRows(synthesise(x)), expected.values)).toBeLessThan(close);
  });

  it("there and back is where it was, with the same norm", () => {
    const u = analyse(x);
    expect(Math.abs(norm(u) / norm(x) - 1)).toBeLessThan(close);
    expect(relativeDistance(synthesise(u), x)).toBeLessThan(close);
    const z = synthesise(x);
    expect(Math.abs(norm(z) / norm(x) - 1)).toBeLessThan(close);
    expect(relativeDistance(analyse(z), x)).toBeLessThan(close);
  });
});

describe("cosine transform", () => {
  it("makes a cosine of every coordinate, and a coordinate of every cosine, number by number", () => {
    const sides = fc.constantFrom(8, 16, 32, 64, 128);
    fc.assert(
      fc.property(sides, sides, fc.nat(), fc.nat(), (height, width, down, across) => {
        const [k, l] = [down % height, across % width];
        const [V, W] = [cosines(height), cosines(width)];
        const wave = Float32Array.from(
          { length: height * width },
          (_, p) => V.values[Math.floor(p / width) * height + k] * W.values[(p % width) * width + l],
        );
        const unit = new Float32Array(height * width);
        unit[k * width + l] = 1;
        const { analyse, synthesise } = transformOf("cosine", height, width);
        const largest = 2 / Math.sqrt(height * width);
        for (const [p, v] of synthesise(unit).entries()) {
          expect(Math.abs(v - wave[p])).toBeLessThan(1e-6 * largest);
        }
        for (const [p, v] of analyse(wave).entries()) expect(Math.abs(v - unit[p])).toBeLessThan(1e-6);
      }),
      { numRuns: 40 },
    );
  });

  it("transforms every channel by itself", () => {
    const [height, width] = [16, 8];
    const area = height * width;
    const x = seededValues(3 * area, 5);
    const u = transformOf("cosine", height, width, 3).analyse(x);
    const one = transformOf("cosine", height, width);
    for (let c = 0; c < 3; c++) {
      const [from, to] = [c * area, (c + 1) * area];
      expect(sameBits(u.slice(from, to), one.analyse(x.slice(from, to)))).toBe(true);
    }
  });

  it.each([0, 4, 12, 24, 100, 8192])("has no table of lines of %i numbers", (n) => {
    expect(() => writeCosineTable(n, new Float32Array(1))).toThrow(RangeError);
    expect(() => writeCosineTable(n, new Float32Array(1))).toThrow(`${n} numbers`);
  });

  it("fills its table to the last number", () => {
    for (const n of [...sizes, 2048, 4096]) {
      const table = new Float32Array(cosineTableWords(n)).fill(Number.NaN);
      writeCosineTable(n, table);
      expect(table.some(Number.isNaN)).toBe(false);
    }
  });
});

describe("Walsh-Hadamard transform", () => {
  const planes = [
    [1, 1],
    [1, 2],
    [2, 2],
    [2, 4],
    [4, 4],
    [4, 8],
    [8, 8],
    [8, 16],
    [16, 16],
    [32, 16],
    [32, 32],
    [32, 64],
    [64, 64],
    [128, 64],
    [128, 128],
    [128, 256],
    [256, 256],
    [256, 512],
    [512, 512],
  ];

  it.each(planes)("of %i x %i is the plain transform, and its own inverse", (height, width) => {
    const { analyse, synthesise } = transformOf("walsh-hadamard", height, width);
    const x = seededValues(height * width, 9);
    const expected = Float64Array.from(x);
    walshHadamard(expected);
    const u = analyse(x);
    expect(relativeDistance(u, expected)).toBeLessThan(close);
    expect(sameBits(u, synthesise(x))).toBe(true);
    expect(Math.abs(norm(u) / norm(x) - 1)).toBeLessThan(close);
    expect(relativeDistance(synthesise(u), x)).toBeLessThan(close);
  });
});

describe("exactBlur", () => {
  const fastOf = (height: number, width: number) => {
    const { basis } = exactBlur({ channels: 3, height, width }, "deblur-gauss");
    return basis.kind === "separable" ? basis.fast : "no separable basis";
  };

  it("has the fast transform where both sides have", () => {
    for (const [height, width] of [
      [8, 8],
      [16, 8],
      [32, 64],
    ]) {
      expect(fastOf(height, width)).toBe("cosine");
    }
    for (const [height, width] of [
      [8, 12],
      [12, 8],
      [9, 9],
      [4, 8],
      [16, 4],
    ]) {
      expect(fastOf(height, width)).toBeUndefined();
    }
  });
});

describe.each([
  ["deblur-gauss", 8, 8],
  ["deblur-uniform", 16, 32],
  ["deblur-aniso", 64, 16],
] as const)("states of %s, %i x %i", (task, height, width) => {
  const operator = createOperator({ task, blurForm: "exact" }, { height, width });
  const size = 3 * height * width;
  let kernels: StateKernels;
  beforeAll(async () => {
    kernels = await loadStateKernels(operator, { threads: 1 });
  });
  afterAll(() => kernels.release());

  it("need no dense matrices", () => {
    expect(kernels.matrices).toBeUndefined();
  });

  it("are the cosine coordinates of pictures, row by row", async () => {
    const count = 3;
    const x = seededValues(count * size, 1);
    const rows = new FilledRows(kernels, { rows: count + 2, steps: count });
    rows.block.rows(1, 1 + count).values.set(x);
    const before = rows.snapshot();
    await rows.block.fromPictures(1, 1 + count);
    rows.expectUntouched(before, [1, 2, 3], "fromPictures");
    expectNear(rows.read(1, count), reference.toState(operator, x), norm(x), "states");

    const held = rows.snapshot();
    expectNear((await rows.block.pictures(1, 1 + count)).values, x, norm(x), "pictures");
    const second = await rows.block.pictures(2, 3);
    expectNear(second.values, x.subarray(size, 2 * size), norm(x), "one picture");
    rows.expectUntouched(held, [], "pictures");

    const states = seededValues(size, 2);
    await rows.write(1, states);
    const { values } = await rows.block.pictures(1, 2);
    expectNear(values, reference.toPicture(operator, states), norm(states), "picture of a state");
  });
});
