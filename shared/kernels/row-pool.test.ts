import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { RowPool } from "./row-pool.js";
import { loadStateKernels, type StateKernels } from "./state-kernels.js";
import type { RowBlockSize } from "./state-rows.js";

const size: RowBlockSize = { rows: 6, steps: 2, deltas: true, secants: false };

describe("RowPool", () => {
  const loaded: StateKernels[] = [];
  beforeAll(async () => {
    // The second pair of kernels is of the same operator, and still another.
    for (const _ of ["one", "other"]) {
      loaded.push(await loadStateKernels(operatorOf(taskSamples[0]), { threads: 1 }));
    }
  });
  afterAll(() => Promise.all(loaded.map((kernels) => kernels.release())));

  it("hands out a block of the kernels and the size asked for", () => {
    const block = new RowPool(1).take(loaded[0], size);
    expect(block.kernels).toBe(loaded[0]);
    expect(block.size).toEqual(size);
    expect(block.rows(0, 6).dims).toEqual([6, 192]);
  });

  it("uses a block again once it is given back, and gives it to one taker only", () => {
    const pool = new RowPool(2);
    const [a, b] = [pool.take(loaded[0], size), pool.take(loaded[0], size)];
    expect(a).not.toBe(b);
    pool.give(a);
    expect(pool.take(loaded[0], { ...size })).toBe(a);
    expect([a, b]).not.toContain(pool.take(loaded[0], size));
  });

  it.each<Partial<RowBlockSize>>([
    { rows: 7 },
    { steps: 3 },
    { deltas: false },
    { secants: true },
    // Half of it would lie idle.
    { rows: 2 },
  ])("does not take a block for one of another size: %o", (other) => {
    const pool = new RowPool(2);
    const block = pool.take(loaded[0], size);
    pool.give(block);
    const found = pool.take(loaded[0], { ...size, ...other });
    expect(found).not.toBe(block);
    expect(found.size).toEqual({ ...size, ...other });
    expect(pool.take(loaded[0], size)).toBe(block);
  });

  it("takes the smallest block that is large enough", () => {
    const pool = new RowPool(3);
    const blocks = [8, 6, 7].map((rows) => pool.take(loaded[0], { ...size, rows, steps: rows - 4 }));
    for (const block of blocks) pool.give(block);
    const smaller = { ...size, rows: 5, steps: 1 };
    const taken = [1, 2, 3].map(() => pool.take(loaded[0], smaller).size.rows);
    expect(taken).toEqual([6, 7, 8]);
  });

  it("does not take a block for one of other kernels", () => {
    const pool = new RowPool(2);
    const block = pool.take(loaded[0], size);
    pool.give(block);
    const found = pool.take(loaded[1], size);
    expect(found).not.toBe(block);
    expect(found.kernels).toBe(loaded[1]);
  });

  it("keeps the blocks given back last, and no more than it may", () => {
    const pool = new RowPool(2);
    const blocks = [1, 2, 3].map(() => pool.take(loaded[0], size));
    for (const block of blocks) pool.give(block);
    const again = [1, 2, 3].map(() => pool.take(loaded[0], size));
    expect(again).not.toContain(blocks[0]);
    expect(again).toContain(blocks[1]);
    expect(again).toContain(blocks[2]);
  });

  it("that may keep none keeps none", () => {
    const pool = new RowPool(0);
    const block = pool.take(loaded[0], size);
    pool.give(block);
    expect(pool.take(loaded[0], size)).not.toBe(block);
  });

  it("refuses a block of more than 4 GiB", () => {
    expect(() => new RowPool(1).take(loaded[0], { ...size, rows: 6_000_000 })).toThrow(RangeError);
  });
});
