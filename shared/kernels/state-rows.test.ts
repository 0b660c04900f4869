/** Pictures, riders and combinations of rows, held to the plain reference for every kind of operator. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectNear, FilledRows, sameBits } from "../../test/filled-rows.js";
import { rowSamples } from "../../test/row-samples.js";
import { norm, seededValues } from "../../test/seeded-values.js";
import { loadStateKernels, type StateKernels } from "./state-kernels.js";
import * as reference from "./state-reference.js";
import type { Term } from "./state-rows.js";
import { riderBasis, riderSize, spectralBasis, stateSize } from "./state-space.js";

describe.each(rowSamples)("$name", ({ operator }) => {
  const { basis, picture } = operator;
  const size = stateSize(operator);
  const riderCount = riderSize(operator);
  let kernels: StateKernels;
  beforeAll(async () => {
    kernels = await loadStateKernels(operator, { threads: 1 });
  });
  afterAll(() => kernels.release());

  const states = (rows: number, seed: number) => seededValues(rows * size, seed);
  const randomMatrices = (m: number, k: number, seed: number): reference.OnParts => ({
    range: seededValues(m * k, seed),
    null: seededValues(m * k, seed + 1),
  });
  const row = (rows: Float32Array, i: number) => rows.subarray(i * size, (i + 1) * size);
  const nearRiders = (rows: FilledRows, at: number, count: number, scale: number, what: string) => {
    const expected = riderCount > 0 ? reference.riders(operator, rows.read(at, count)) : [];
    expectNear(rows.riders(at, count), expected, scale, `riders of ${what}`);
  };

  /** States of pictures, and pictures of states, by the block. */
  const toStates = async (pictures: Float32Array) => {
    const count = pictures.length / size;
    const rows = new FilledRows(kernels, { rows: count });
    rows.block.rows(0, count).values.set(pictures);
    await rows.block.fromPictures(0, count);
    return rows.read(0, count);
  };
  const toPictures = async (values: Float32Array) => {
    const count = values.length / size;
    const rows = new FilledRows(kernels, { rows: count, steps: count });
    await rows.write(0, values);
    return (await rows.block.pictures(0, count)).values.slice();
  };
  const terms = ({ range, null: onNull }: reference.OnParts, i: number, k: number, first: number): Term[] =>
    Array.from({ length: k }, (_, j) => ({
      row: first + j,
      range: range[i * k + j],
      null: onNull[i * k + j],
    }));
  const projected = async (values: Float32Array) => {
    const count = values.length / size;
    const rows = new FilledRows(kernels, { rows: count });
    await rows.write(0, values);
    for (let at = 0; at < count; at++) rows.block.combine([{ row: at, range: 1, null: 0 }], at);
    nearRiders(rows, 0, count, norm(values), "P z");
    return rows.read(0, count);
  };

  it("has the matrices, the mask and the riders its basis needs", () => {
    const matrices = spectralBasis(operator);
    expect(kernels.matrices !== undefined).toBe(matrices !== undefined && matrices.fast === undefined);
    const masked = basis.kind === "pixel-mask" || spectralBasis(operator) !== undefined;
    expect(kernels.mask !== undefined).toBe(masked);
    const riders = basis.kind === "block-mean" || riderBasis(operator) !== undefined;
    expect(riderCount > 0).toBe(riders);
    expect(new FilledRows(kernels, { rows: 2 }).riders(0, 2).length).toBe(2 * riderCount);
  });

  it.each([1, 2, 5])("fromPictures and pictures, %i rows", async (count) => {
    const x = states(count, 1);
    const rows = new FilledRows(kernels, { rows: count + 4, steps: count });
    const before = rows.snapshot();
    rows.block.rows(2, 2 + count).values.set(x);
    await rows.block.fromPictures(2, 2 + count);
    const written = Array.from({ length: count }, (_, i) => 2 + i);
    rows.expectUntouched(before, written, "fromPictures");
    expectNear(rows.read(2, count), reference.toState(operator, x), norm(x), "state");
    nearRiders(rows, 2, count, norm(x), "states of pictures");

    const held = rows.snapshot();
    const pictures = await rows.block.pictures(2, 2 + count);
    expect(pictures.dims).toEqual([count, size]);
    expectNear(pictures.values, x, norm(x), "pictures of states of x");
    rows.expectUntouched(held, [], "pictures");

    const other = states(count, 2);
    expectNear(await toPictures(other), reference.toPicture(operator, other), norm(other), "picture");
    expectNear(await toStates(await toPictures(other)), other, norm(other), "states of pictures of z");
  });

  it("pictures of one row alone need no room for steps", async () => {
    const rows = new FilledRows(kernels, { rows: 3 });
    await rows.write(0, states(3, 17));
    const before = rows.snapshot();
    for (const at of [0, 1, 2]) {
      const expected = reference.toPicture(operator, rows.read(at));
      expectNear((await rows.block.pictures(at, at + 1)).values, expected, norm(expected), `row ${at}`);
    }
    rows.expectUntouched(before, [], "pictures");
  });

  it.each([1, 2, 5])("riders, %i rows", async (count) => {
    const z = states(count, 3);
    const rows = new FilledRows(kernels, { rows: count + 2 });
    const before = rows.snapshot();
    await rows.write(1, z);
    nearRiders(rows, 1, count, norm(z), "z");
    expect(sameBits(rows.read(1, count), z)).toBe(true);
    const written = Array.from({ length: count }, (_, i) => 1 + i);
    rows.expectUntouched(before, written, "fillRiders");
  });

  it.each([
    [1, 1],
    [1, 4],
    [2, 5],
    [5, 3],
  ])("combine makes %i states of %i rows", async (m, k) => {
    const z = states(k, 4);
    const coefficients = randomMatrices(m, k, 5);
    const expected = reference.combine(operator, coefficients, z);
    const scale = norm(z) * (norm(coefficients.range) + norm(coefficients.null));
    const rows = new FilledRows(kernels, { rows: k + m + 3 });
    await rows.write(1, z);
    for (let i = 0; i < m; i++) {
      const out = k + 2 + i;
      const before = rows.snapshot();
      rows.block.combine(terms(coefficients, i, k, 1), out);
      rows.expectUntouched(before, [out], "combine");
      expectNear(rows.read(out), row(expected, i), scale, "combine");
      nearRiders(rows, out, 1, scale, "combinations");
    }
    for (let out = 1; out <= k; out++) {
      await rows.write(1, z);
      const before = rows.snapshot();
      rows.block.combine(terms(coefficients, 0, k, 1), out);
      rows.expectUntouched(before, [out], "combine");
      expectNear(rows.read(out), row(expected, 0), scale, `combine into its term ${out}`);
      nearRiders(rows, out, 1, scale, `its term ${out}`);
    }
  });

  it("pass adds a multiple of one row on each part, to one state after the other", async () => {
    const z = states(4, 21);
    const rows = new FilledRows(kernels, { rows: 7, steps: 2 });
    await rows.write(1, z);
    const delta = 4;
    rows.riders(delta, 1).fill(Number.NaN);
    rows.block.beginPass(delta);
    nearRiders(rows, delta, 1, norm(z), "the row that is passed on");
    const factors = [
      { range: 0.7, null: -0.4 },
      { range: 0, null: 1 },
      { range: 1, null: 1 },
    ];
    for (const [i, factor] of factors.entries()) {
      const before = rows.snapshot();
      rows.block.pass(1 + i, delta, factor);
      rows.expectUntouched(before, [1 + i], "pass");
      const one = { range: Float32Array.of(1, factor.range), null: Float32Array.of(1, factor.null) };
      const both = Float32Array.from([...row(z, i), ...row(z, 3)]);
      expectNear(rows.read(1 + i), reference.combine(operator, one, both), 3 * norm(z), `state ${i}`);
      nearRiders(rows, 1 + i, 1, 3 * norm(z), `state ${i}`);
    }
  });

  it("combine takes rows in any order, and none at all for zero", async () => {
    const z = states(4, 15);
    const rows = new FilledRows(kernels, { rows: 6 });
    await rows.write(1, z);
    const coefficients = randomMatrices(1, 4, 16);
    const list = terms(coefficients, 0, 4, 1);
    rows.block.combine([list[2], list[0], list[3], list[1]], 5);
    const expected = reference.combine(operator, coefficients, z);
    expectNear(rows.read(5), expected, 4 * norm(z), "combine");
    rows.block.combine([], 5);
    expect(rows.read(5)).toEqual(new Float32Array(size));
    expect(rows.riders(5)).toEqual(new Float32Array(riderCount));
  });

  it.each([1, 3, 5])("combine with N = R makes the plain combination of %i rows", async (k) => {
    const z = states(k, 6);
    const both = seededValues(k, 7);
    const expected = reference.product(both, z, k);
    const rows = new FilledRows(kernels, { rows: k + 1 });
    await rows.write(0, z);
    rows.block.combine(terms({ range: both, null: both }, 0, k, 0), k);
    expectNear(rows.read(k), expected, norm(z) * norm(both), "combine");
  });

  it("combine with R = 1, N = 0 is the operator's projection: idempotent, and all that A sees", async () => {
    const z = states(3, 10);
    const inRange = await projected(z);
    expectNear(inRange, reference.project(operator, z), norm(z), "P z");
    expectNear(await projected(inRange), inRange, norm(z), "P P z");
    const rest = z.map((v, i) => v - inRange[i]);
    // The operator rounds too, and has singular values of about 1 at most.
    expect(norm(operator.apply(await toPictures(rest), 3))).toBeLessThan(1e-5 * norm(z));
    const inverse = operator.pseudoInverse(operator.apply(seededValues(size, 11)));
    const state = await toStates(inverse);
    expectNear(await projected(state), state, 3 * norm(state), "P A^+ y");
  });

  it("states keep lengths and angles of pictures, and parts are orthogonal", async () => {
    const property = async (seed: number, count: number) => {
      const [x, y] = [states(count, seed), states(count, seed + 1)];
      const [a, b] = [await toStates(x), await toStates(y)];
      const scale = norm(x) * norm(y);
      const dots = (u: Float32Array, v: Float32Array) => reference.rowDots(u, v, size);
      expectNear(dots(a, b), dots(x, y), scale, "<a, b>");
      expectNear(dots(a, a), dots(x, x), norm(x) ** 2, "<a, a>");
      const inRange = await projected(a);
      const rest = a.map((v, i) => v - inRange[i]);
      expectNear(dots(inRange, rest), new Float32Array(count), norm(x) ** 2, "<P a, a - P a>");
    };
    await fc.assert(fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 4 }), property), {
      numRuns: picture.height * picture.width > 4096 ? 3 : 15,
    });
  });
});
