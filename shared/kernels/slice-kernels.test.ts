/** Every graph of a slice, held to the plain reference, for every task. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { norm, relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import type { Array32 } from "../onnx/session.js";
import { loadSliceKernels, type SliceKernels, sampleStride } from "./slice-kernels.js";
import * as reference from "./slice-reference.js";
import { type Part, parts, rangeIndicator, splitLayout } from "./split-basis.js";

/** Float32 sums of some hundred terms. */
const close = 3e-6;
const rowCounts = [1, 2, 5];

describe.each(taskSamples)("$name", (sample) => {
  const operator = operatorOf(sample);
  const { height, width } = sample.size;
  const pixels = 3 * height * width;
  const layout = splitLayout(operator.basis, operator.picture);
  let kernels: SliceKernels;
  beforeAll(async () => {
    kernels = await loadSliceKernels(operator.basis, operator.picture, { threads: 1 });
  });
  afterAll(() => kernels.release());

  const array = (values: Float32Array, ...dims: number[]): Array32 => ({ values, dims });
  const empty = (...dims: number[]) => array(new Float32Array(dims.reduce((a, b) => a * b)), ...dims);
  const pictures = (values: Float32Array) => array(values, values.length / pixels, 3, height, width);
  const emptyPictures = (rows: number) => empty(rows, 3, height, width);
  const emptySplit = (rows: number) => ({
    range: empty(rows, layout.range),
    null: empty(rows, layout.null),
  });
  const both = <Value>(name: string, split: Record<Part, Value>) => ({
    [`${name}.range`]: split.range,
    [`${name}.null`]: split.null,
  });
  const stored = (split: reference.SplitRows) => ({
    range: array(split.range, split.range.length / layout.range, layout.range),
    null: array(split.null, split.null.length / layout.null, layout.null),
  });
  /** States as they occur: split pictures. */
  const states = (rows: number, seed: number) =>
    reference.analyze(operator, seededValues(rows * pixels, seed));
  const coefficients = (rows: number, columns: number, seed: number) => ({
    range: seededValues(rows * columns, seed),
    null: seededValues(rows * columns, seed + 1),
  });
  const matrices = (split: reference.SplitCoefficients, rows: number) => ({
    range: array(split.range, rows, split.range.length / rows),
    null: array(split.null, rows, split.null.length / rows),
  });
  const same = (found: Float32Array, expected: Float32Array, tolerance = close) =>
    expect(relativeDistance(found, expected)).toBeLessThan(tolerance);
  const sameSplit = (found: Record<Part, Array32>, expected: reference.SplitRows, of: string) => {
    // A part may vanish up to rounding; it is small beside the whole, and has to be here too.
    const whole = norm(expected.range) + norm(expected.null);
    for (const part of parts) {
      const distance = norm(found[part].values.map((v, i) => v - expected[part][i]));
      expect(found[part].values.length).toBe(expected[part].length);
      expect(distance, `${of}.${part}`).toBeLessThan(close * whole);
    }
  };

  it.each(rowCounts)("analyze and synthesize, %i rows", async (rows) => {
    const x = seededValues(rows * pixels, 1);
    const split = emptySplit(rows);
    await kernels.analyze.run({ x: pictures(x) }, split);
    sameSplit(split, reference.analyze(operator, x), "split");
    const back = emptyPictures(rows);
    await kernels.synthesize.run(split, { x: back });
    same(back.values, reference.synthesize(operator, { range: split.range.values, null: split.null.values }));
    same(back.values, x);
  });

  it.each(rowCounts)("secantProducts, %i rows", async (rows) => {
    const round = (seed: number): reference.RoundRows => ({
      state: states(rows, seed),
      source: states(rows, seed + 1),
      next: states(rows, seed + 2),
    });
    const [now, before] = [round(2), round(5)];
    const named = (prefix: string, { state, source, next }: reference.RoundRows) => ({
      ...both(`${prefix}state`, stored(state)),
      ...both(`${prefix}source`, stored(source)),
      ...both(`${prefix}next`, stored(next)),
    });
    const dzdz = { range: empty(rows), null: empty(rows) };
    const dzdf = { range: empty(rows), null: empty(rows) };
    await kernels.secantProducts.run(
      { ...named("", now), ...named("previous.", before) },
      { ...both("dzdz", dzdz), ...both("dzdf", dzdf) },
    );
    const whole = norm(now.state.range) ** 2 + norm(now.state.null) ** 2;
    for (const part of parts) {
      const expected = reference.secantProducts(operator, part, now, before);
      for (const [found, wanted] of [
        [dzdz, expected.dzdz],
        [dzdf, expected.dzdf],
      ] as const) {
        expect(norm(found[part].values.map((v, i) => v - wanted[i]))).toBeLessThan(1e-5 * whole);
      }
    }
  });

  it.each(rowCounts)("compose, %i rows, and unpack what it packed", async (rows) => {
    const source = states(rows, 14);
    const transfer = coefficients(1, rows, 15);
    const packed = empty(1, layout.packed);
    await kernels.compose.run(
      { ...both("source", stored(source)), ...both("transfer", matrices(transfer, 1)) },
      { packed },
    );
    same(packed.values, reference.compose(layout, transfer, source));
    const row = emptySplit(1);
    await kernels.unpack.run({ packed }, row);
    sameSplit(row, reference.unpack(operator, packed.values), "unpacked");
    const weighted = {
      range: reference.product(transfer.range, source.range, rows),
      null: reference.product(transfer.null, source.null, rows),
    };
    sameSplit(row, weighted, "transfer . source");
  });

  it.each(rowCounts)("rowDots and combine, %i rows", async (rows) => {
    const [a, b] = [states(rows, 16), states(rows, 17)];
    const found = empty(rows);
    await kernels.rowDots.run({ ...both("a", stored(a)), ...both("b", stored(b)) }, { dots: found });
    const scale = norm(a.range) * norm(b.range) + norm(a.null) * norm(b.null);
    const dots = reference.rowDots(layout, a, b);
    expect(norm(found.values.map((v, i) => v - dots[i]))).toBeLessThan(1e-6 * scale);
    for (const part of parts) {
      for (const combinations of [1, 2, rows]) {
        const mixing = seededValues(combinations * rows, 18);
        const out = empty(combinations, layout[part]);
        const coefficients = array(mixing, combinations, rows);
        await kernels.combine.run({ coefficients, rows: stored(a)[part] }, { out });
        const expected = reference.product(mixing, a[part], rows);
        // A part may vanish up to rounding.
        const scale = norm(mixing) * (norm(a.range) + norm(a.null));
        expect(norm(out.values.map((v, i) => v - expected[i]))).toBeLessThan(close * scale);
      }
    }
  });

  it("the split keeps lengths and angles: ||x||^2 = ||range||^2 + ||null||^2", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0 }), fc.integer({ min: 1, max: 4 }), async (seed, rows) => {
        const [x, y] = [seededValues(rows * pixels, seed), seededValues(rows * pixels, seed + 1)];
        const [a, b] = [emptySplit(rows), emptySplit(rows)];
        await kernels.analyze.run({ x: pictures(x) }, a);
        await kernels.analyze.run({ x: pictures(y) }, b);
        const length = norm(x) ** 2;
        const parted = norm(a.range.values) ** 2 + norm(a.null.values) ** 2;
        expect(Math.abs(parted - length)).toBeLessThan(close * length);
        const found = empty(rows);
        await kernels.rowDots.run({ ...both("a", a), ...both("b", b) }, { dots: found });
        const dots = reference.dots(x, y, pixels);
        expect(norm(found.values.map((v, i) => v - dots[i]))).toBeLessThan(close * norm(x) * norm(y));
        const back = emptyPictures(rows);
        await kernels.synthesize.run(a, { x: back });
        same(back.values, x);
      }),
      { numRuns: 15 },
    );
  });

  it("A sees the range part only, and A^+ y lies in it", async () => {
    const split = emptySplit(1);
    await kernels.analyze.run({ x: pictures(seededValues(pixels, 19)) }, split);
    const hidden = emptyPictures(1);
    await kernels.synthesize.run({ range: empty(1, layout.range), null: split.null }, { x: hidden });
    expect(norm(operator.apply(hidden.values))).toBeLessThan(1e-5 * norm(split.null.values) + 1e-6);
    const inverse = operator.pseudoInverse(operator.apply(seededValues(pixels, 20)));
    await kernels.analyze.run({ x: pictures(inverse) }, split);
    expect(norm(split.null.values)).toBeLessThan(1e-5 * norm(inverse));
    expect(relativeDistance([norm(split.range.values)], [norm(inverse)])).toBeLessThan(1e-5);
  });

  it("rangeIndicator marks the packed numbers of the range part", () => {
    const indicator = rangeIndicator(operator.basis, operator.picture);
    expect(indicator.length).toBe(layout.packed);
    const marked = indicator.reduce((sum, v) => sum + v, 0);
    expect(indicator.every((v) => v === 0 || v === 1)).toBe(true);
    // Where the range has a grid of its own, coordinates outside it are stored there as zeros.
    expect(marked).toBe(layout.disjoint ? operator.rank : layout.range);
    const state = states(1, 21);
    const packed = reference.pack(layout, state);
    const onlyRange = reference.pack(layout, { range: state.range, null: new Float32Array(layout.null) });
    same(
      packed.map((v, i) => v * indicator[i]),
      onlyRange,
    );
  });
});

describe("secantProducts of pictures with more numbers than an estimate needs", () => {
  const sample = {
    name: "colorize 256x192",
    settings: { task: "colorize" },
    size: { height: 256, width: 192 },
    mask: undefined,
  } as const;
  const operator = operatorOf(sample);
  const layout = splitLayout(operator.basis, operator.picture);

  it("are taken over every k-th line of the part that is large, and estimate the same slope", async () => {
    expect([sampleStride(layout.range), sampleStride(layout.null)]).toEqual([1, 3]);
    const kernels = await loadSliceKernels(operator.basis, operator.picture, { threads: 1 });
    const rows = 2;
    const part = (seed: number) => ({
      range: seededValues(rows * layout.range, seed),
      null: seededValues(rows * layout.null, seed),
    });
    const before = { state: part(1), source: part(2), next: part(3) };
    // f moves by 0.6 times what the state moves, and a little noise.
    const slope = 0.6;
    const state = part(4);
    const noise = part(5);
    const source = Object.fromEntries(
      parts.map((p) => [
        p,
        before.source[p].map((v, i) => v + slope * (state[p][i] - before.state[p][i]) + 0.1 * noise[p][i]),
      ]),
    ) as Record<Part, Float32Array>;
    const now = { state, source, next: before.next };
    const inputs: Record<string, Array32> = {};
    for (const p of parts) {
      for (const of of ["state", "source", "next"] as const) {
        inputs[`${of}.${p}`] = { values: now[of][p], dims: [rows, layout[p]] };
        inputs[`previous.${of}.${p}`] = { values: before[of][p], dims: [rows, layout[p]] };
      }
    }
    const outputs: Record<string, Array32> = {};
    for (const p of parts) {
      for (const of of ["dzdz", "dzdf"])
        outputs[`${of}.${p}`] = { values: new Float32Array(rows), dims: [rows] };
    }
    await kernels.secantProducts.run(inputs, outputs);
    await kernels.release();
    for (const p of parts) {
      const expected = reference.secantProducts(operator, p, now, before);
      const [dzdz, dzdf] = [outputs[`dzdz.${p}`].values, outputs[`dzdf.${p}`].values];
      expect(relativeDistance(dzdz, expected.dzdz)).toBeLessThan(1e-4);
      expect(relativeDistance(dzdf, expected.dzdf)).toBeLessThan(1e-4);
      for (let row = 0; row < rows; row++) expect(Math.abs(dzdf[row] / dzdz[row] - slope)).toBeLessThan(0.01);
    }
  });
});
