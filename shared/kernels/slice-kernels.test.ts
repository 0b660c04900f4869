/** Every graph of a slice, held to the plain reference, for every task. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { norm, relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import type { Array32 } from "../onnx/session.js";
import { loadSliceKernels, type SliceKernels } from "./slice-kernels.js";
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
  /** Sums over one part of `whole`, whose other part may hold nearly all of it. */
  const sameSums = (found: Float32Array, expected: Float32Array, whole: reference.SplitRows) => {
    const scale = norm(whole.range) ** 2 + norm(whole.null) ** 2;
    expect(norm(found.map((v, i) => v - expected[i]))).toBeLessThan(close * scale);
  };
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

  it.each(rowCounts)("correct, %i rows", async (rows) => {
    const state = states(rows, 2);
    const source = states(rows, 3);
    const scan = coefficients(rows, rows, 4);
    const delta = emptySplit(rows);
    const corrected = emptySplit(rows);
    const x = emptyPictures(rows);
    await kernels.correct.run(
      {
        ...both("state", stored(state)),
        ...both("source", stored(source)),
        ...both("scan", matrices(scan, rows)),
      },
      { ...both("delta", delta), ...both("corrected", corrected), x },
    );
    const expected = reference.correct(operator, state, source, scan);
    sameSplit(delta, expected.delta, "delta");
    sameSplit(corrected, expected.corrected, "corrected");
    same(x.values, expected.x);
  });

  it.each([
    [1, 1],
    [2, 1],
    [2, 3],
    [5, 6],
  ])("propose, %i rows and %i offsets, plain and with secant products", async (n, offsets) => {
    const eps = seededValues(n * pixels, 5);
    const state = states(n + 1, 6);
    const offset = states(offsets, 7);
    const c = {
      state: coefficients(n, n + 1, 8),
      noise: coefficients(n, n, 9),
      offset: coefficients(n, offsets, 10),
    };
    const [dz, previous, moved] = [states(n, 11), states(n, 12), states(n, 13)];
    const inputs = {
      eps: pictures(eps),
      ...both("state", stored(state)),
      ...both("offset", stored(offset)),
      ...both("stateC", matrices(c.state, n)),
      ...both("noiseC", matrices(c.noise, n)),
      ...both("offsetC", matrices(c.offset, n)),
    };
    const expected = reference.propose(operator, eps, state, offset, c);
    const plain = { source: emptySplit(n), squares: { range: empty(n), null: empty(n) } };
    await kernels.propose.run(inputs, { ...both("source", plain.source), ...both("squares", plain.squares) });
    const secant = {
      source: emptySplit(n),
      squares: { range: empty(n), null: empty(n) },
      dzdf: { range: empty(n), null: empty(n) },
      dzdz: { range: empty(n), null: empty(n) },
    };
    await kernels.proposeSecant.run(
      {
        ...inputs,
        ...both("delta", stored(dz)),
        ...both("previous", stored(previous)),
        ...both("moved", stored(moved)),
      },
      Object.assign({}, ...Object.entries(secant).map(([name, split]) => both(name, split))),
    );
    for (const { source, squares } of [plain, secant]) {
      sameSplit(source, expected, "source");
      for (const part of parts) {
        sameSums(
          squares[part].values,
          reference.dots(expected[part], expected[part], layout[part]),
          expected,
        );
      }
    }
    for (const part of parts) {
      const df = expected[part].map((v, i) => v - previous[part][i] + moved[part][i]);
      const scale = norm(dz[part]) * norm(df);
      const found = secant.dzdf[part].values;
      const dzdf = reference.dots(dz[part], df, layout[part]);
      expect(norm(found.map((v, i) => v - dzdf[i]))).toBeLessThan(1e-5 * scale + 1e-12);
      sameSums(secant.dzdz[part].values, reference.dots(dz[part], dz[part], layout[part]), dz);
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
      const mixing = seededValues(2 * rows, 18);
      const out = empty(2, layout[part]);
      await kernels.combine.run({ coefficients: array(mixing, 2, rows), rows: stored(a)[part] }, { out });
      same(out.values, reference.product(mixing, a[part], rows));
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
