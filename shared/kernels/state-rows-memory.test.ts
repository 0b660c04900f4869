/** The memory a block of rows hands out: apart for every row, and at the same place for as long as the block lives. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FilledRows, randomWeights, sameBits, stepLayout } from "../../test/filled-rows.js";
import { type RowSample, rowSamples } from "../../test/row-samples.js";
import { seededValues } from "../../test/seeded-values.js";
import type { Array32 } from "../onnx/session.js";
import { loadStateKernels, type StateKernels } from "./state-kernels.js";
import { type RowBlockSize, StateRows } from "./state-rows.js";
import { riderSize, stateSize } from "./state-space.js";

/** One sample of each basis and form of states. */
const samples: readonly RowSample[] = [
  ...new Map(
    rowSamples.map((sample) => {
      const { basis, task } = sample.operator;
      return [basis.kind === "separable" ? task : basis.kind, sample];
    }),
  ).values(),
];

const steps = 3;
const sizes: readonly RowBlockSize[] = [
  { rows: stepLayout(steps).rows, steps, deltas: true, secants: true },
  { rows: stepLayout(steps).rows, steps, deltas: false, secants: false },
  { rows: 5, steps: 0, deltas: false, secants: false },
];

describe.each(samples)("$name", ({ operator }) => {
  const size = stateSize(operator);
  const riderCount = riderSize(operator);
  let kernels: StateKernels;
  beforeAll(async () => {
    kernels = await loadStateKernels(operator, { threads: 1 });
  });
  afterAll(() => kernels.release());

  /** Every place a block hands out, row by row. */
  const places = (block: StateRows): Array32[] => {
    const rows = Array.from({ length: block.size.rows }, (_, row) => row);
    return [
      ...rows.map((row) => block.rows(row, row + 1)),
      ...rows.map((row) => block.riders(row, row + 1)),
      ...(block.size.deltas ? [block.deltas(block.size.steps + 1)] : []),
    ];
  };

  it.each(sizes)("places hold what was written to each of them: %o", async (blockSize) => {
    const block = new StateRows(kernels, blockSize);
    const all = places(block);
    for (const [i, { values }] of all.entries()) values.set(seededValues(values.length, i));
    for (const [i, { values }] of all.entries()) {
      const expected = seededValues(values.length, i);
      expect(
        values.every((v, at) => v === expected[at]),
        `place ${i}`,
      ).toBe(true);
    }
    expect(all.reduce((sum, { values }) => sum + values.length, 0)).toBe(
      blockSize.rows * (size + riderCount) + (blockSize.deltas ? (blockSize.steps + 1) * size : 0),
    );
  });

  it("views of several rows are those rows, one after the other", () => {
    const block = new StateRows(kernels, sizes[0]);
    const { values, dims } = block.rows(0, 5);
    expect(dims).toEqual([5, size]);
    values.set(seededValues(values.length, 1));
    const riders = block.riders(1, 4);
    expect(riders.dims).toEqual([3, riderCount]);
    riders.values.set(seededValues(riders.values.length, 2));
    for (let row = 1; row < 4; row++) {
      const found = block.rows(row, row + 1).values;
      expect(sameBits(found, values.subarray(row * size, (row + 1) * size))).toBe(true);
      const at = (row - 1) * riderCount;
      const ridersFound = block.riders(row, row + 1).values;
      expect(sameBits(ridersFound, riders.values.subarray(at, at + riderCount))).toBe(true);
    }
  });

  it("views stay valid through every pass, and pictures and deltas lie apart from the rows", async () => {
    const at = stepLayout(steps);
    const rows = new FilledRows(kernels, { ...sizes[0] });
    const { block } = rows;
    const held = places(block);
    const where = held.map(({ values }) => values.byteOffset);
    for (const row of [at.states, at.noise, at.fresh]) {
      await rows.write(row, seededValues((row === at.states ? steps + 1 : steps) * size, row));
    }
    await rows.write(at.measurement, seededValues(size, 5));
    await rows.write(at.entry, seededValues(size, 6));
    const given = { ...at, weights: randomWeights(steps, 7) };
    block.scan(given, at.entry);
    const deltas = block.deltas(steps + 1).values.slice();
    block.measure(given, 0);
    await block.fromPictures(at.noise, at.noise + steps);
    const before = rows.snapshot();
    const pictures = await block.pictures(at.states, at.states + steps);
    rows.expectUntouched(before, [], "pictures");
    block.combine([{ row: at.states, range: 1, null: 1 }], at.rows - 1);
    expect(pictures.values.length).toBe(steps * size);
    expect(sameBits(block.deltas(steps + 1).values, deltas)).toBe(true);

    expect(held.map(({ values }) => values.byteOffset)).toEqual(where);
    const now = places(block);
    for (const [i, { values }] of held.entries()) {
      expect(values.length).toBe(now[i].values.length);
      expect(values.buffer).toBe(now[i].values.buffer);
    }
    expect(sameBits(held[at.rows - 1].values, held[at.states].values)).toBe(true);
  });

  it("more than 4 GiB is refused", () => {
    const rows = Math.ceil(2 ** 30 / size);
    const most = { rows: 1, steps: 0, deltas: false, secants: false };
    expect(() => new StateRows(kernels, { ...most, rows })).toThrow(RangeError);
    // Deltas and samples count, too.
    expect(() => new StateRows(kernels, { ...most, steps: rows, deltas: true })).toThrow(RangeError);
  });
});
