/** Where the rows of a slice lie, and that a slice too large for one block is refused in words. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PictureError } from "../../shared/errors.js";
import { RowPool } from "../../shared/kernels/row-pool.js";
import { loadStateKernels, type StateKernels } from "../../shared/kernels/state-kernels.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { SliceBuffer } from "./slice-buffer.js";

const keeps = { deltas: true, secants: true };
let kernels: StateKernels;
beforeAll(async () => {
  kernels = await loadStateKernels(operatorOf(taskSamples[1]), { threads: 1 });
});
afterAll(() => kernels.release());

describe("rows of a slice", () => {
  it("are all different, fill the block, and are found by state, noise and offset", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.boolean(), (steps, fresh) => {
        const offsets = fresh ? steps + 1 : 1;
        const buffer = new SliceBuffer(new RowPool(0), kernels, steps, offsets, keeps);
        const { block, entry, exit, firstState, firstNoise, firstOffset } = buffer;
        const run = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
        const rows = [
          entry,
          exit,
          ...run(firstState, steps + 1),
          ...run(firstNoise, steps),
          ...run(firstOffset, offsets),
        ];
        expect(rows.sort((a, b) => a - b)).toEqual(run(0, block.size.rows));
        expect(block.size).toEqual({ rows: rows.length, steps, ...keeps });
        for (const row of rows) block.rows(row, row + 1).values.fill(row);
        expect(buffer.states(0, steps + 1).values[0]).toBe(firstState);
        expect(buffer.states(steps, steps + 1).values[0]).toBe(firstState + steps);
        expect(buffer.noise(steps - 1, steps).values[0]).toBe(firstNoise + steps - 1);
        for (let r = 0; r < steps; r++) {
          expect(buffer.freshNoise(r)).toBe(fresh ? firstOffset + 1 + r : undefined);
        }
      }),
    );
  });

  it("are named to the kernels from any step on", () => {
    const buffer = new SliceBuffer(new RowPool(0), kernels, 4, 5, keeps);
    const part = { jacobian: 0, state: 1, noiseEstimate: 2, measurement: 3, freshNoise: 4 };
    const weights = [{ range: part, null: part }];
    expect(buffer.stepRows(2, weights)).toEqual({
      states: buffer.firstState + 2,
      noise: buffer.firstNoise + 2,
      measurement: buffer.firstOffset,
      fresh: buffer.firstOffset + 3,
      weights,
    });
    const still = new SliceBuffer(new RowPool(0), kernels, 4, 1, keeps);
    expect(still.stepRows(2, weights).fresh).toBeUndefined();
  });

  it("that are only combined need no room for scans", () => {
    const { block } = new SliceBuffer(new RowPool(0), kernels, 3, 1, undefined);
    expect(block.size).toEqual({ rows: 10, steps: 0, deltas: false, secants: false });
  });
});

describe("close", () => {
  it("gives the memory back to the pool it came from", () => {
    const pool = new RowPool(1);
    const first = new SliceBuffer(pool, kernels, 2, 1, keeps);
    expect(new SliceBuffer(pool, kernels, 2, 1, keeps).block).not.toBe(first.block);
    first.close();
    expect(new SliceBuffer(pool, kernels, 2, 1, keeps).block).toBe(first.block);
  });
});

describe("a slice of more than 4 GiB", () => {
  it("is refused with its steps, its size, what it needs and what to do", () => {
    // 6x10 pixels: 720 bytes a state, 2 n + 4 rows.
    const open = () => new SliceBuffer(new RowPool(1), kernels, 4_000_000, 1, undefined);
    expect(open).toThrow(PictureError);
    expect(open).toThrow(
      "a slice of 4000000 steps at 10x6 needs 5.4 GiB or more, and a slice may hold 4 GiB: use more workers, fewer steps, --plan serial or a smaller picture",
    );
  });
});
