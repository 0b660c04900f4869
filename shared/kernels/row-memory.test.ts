import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RowPlan } from "./row-memory.js";

describe("RowPlan", () => {
  it("hands out places that start a cache line, never at 0, and never overlap", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 30 }), (counts) => {
        const plan = new RowPlan();
        const places = counts.map((count) => ({ at: plan.words(count), count }));
        const { memory } = plan.allocate();
        for (const { at } of places) {
          expect(at).toBeGreaterThan(0);
          expect(at % 64).toBe(0);
        }
        for (const [i, { at, count }] of places.entries()) new Float32Array(memory, at, count).fill(i + 1);
        for (const [i, { at, count }] of places.entries()) {
          expect(new Float32Array(memory, at, count).every((v) => v === i + 1)).toBe(true);
        }
      }),
    );
  });

  it("refuses more than 4 GiB, however it adds up", () => {
    const plan = new RowPlan();
    for (let place = 0; place < 5; place++) plan.words(2 ** 28);
    expect(() => plan.allocate()).toThrow(RangeError);
  });
});
