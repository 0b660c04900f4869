/** Kernels that no space of states stands behind, and the memory they work on. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { norm, relativeDistance, seededValues } from "../../test/seeded-values.js";
import { walshHadamard } from "../operators/walsh-hadamard.js";
import { allocateRowKernels } from "./row-kernels.js";
import { RowPlan } from "./row-memory.js";

/** Numbers at their place in a memory of their own, between numbers that must stay. */
function between(values: Float32Array) {
  const plan = new RowPlan();
  const fence = 16;
  const before = plan.words(fence);
  const at = plan.words(values.length);
  const after = plan.words(fence);
  const { memory, kernels } = plan.allocate();
  const fences = [before, after].map((address) => new Float32Array(memory, address, fence).fill(7));
  // What pads the numbers to a whole line of memory must stay, too.
  const padding = new Float32Array(memory, at + 4 * values.length, (after - at) / 4 - values.length).fill(7);
  const found = new Float32Array(memory, at, values.length);
  found.set(values);
  const expectFences = () => {
    for (const kept of [...fences, padding]) expect(kept.every((v) => v === 7)).toBe(true);
  };
  return { at, found, kernels, expectFences };
}

describe("walshHadamard", () => {
  it.each([...Array(14).keys()])("of 2^%i numbers is the plain transform, in place", (exponent) => {
    const count = 2 ** exponent;
    const values = seededValues(count, 3);
    const expected = Float64Array.from(values);
    walshHadamard(expected);
    const { at, found, kernels, expectFences } = between(values);
    kernels.walshHadamard(at, count, 1 / Math.sqrt(count));
    expect(relativeDistance(found, expected)).toBeLessThan(1e-6);
    kernels.walshHadamard(at, count, 1 / Math.sqrt(count));
    expect(relativeDistance(found, values)).toBeLessThan(1e-6);
    expectFences();
  });

  it("makes column k of Sylvester's matrix of the k-th unit vector", () => {
    fc.assert(
      fc.property(fc.nat(8), fc.nat(), (exponent, draw) => {
        const count = 2 ** exponent;
        const k = draw % count;
        const values = new Float32Array(count);
        values[k] = 1;
        const { at, found, kernels } = between(values);
        kernels.walshHadamard(at, count, 1);
        const ones = (i: number) => (i & k).toString(2).replaceAll("0", "").length;
        expect([...found]).toEqual(Array.from({ length: count }, (_, i) => (ones(i) % 2 === 0 ? 1 : -1)));
      }),
    );
  });
});

describe("dot", () => {
  it("is the inner product, over any number of numbers", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1100 }), fc.nat(), (count, seed) => {
        const [a, b] = [seededValues(count, seed), seededValues(count, seed + 1)];
        const plan = new RowPlan();
        const places = [plan.words(count), plan.words(count)];
        const { memory, kernels } = plan.allocate();
        // Numbers beyond the end must not count.
        new Float32Array(memory).fill(Number.NaN);
        for (const [i, values] of [a, b].entries()) new Float32Array(memory, places[i], count).set(values);
        const expected = a.reduce((sum, v, i) => sum + v * b[i], 0);
        const found = kernels.dot(places[0], places[1], 4 * count);
        expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-6 * norm(a) * norm(b));
      }),
    );
  });
});

describe("allocateRowKernels", () => {
  it("gives at least the memory asked for, zero throughout", () => {
    for (const bytes of [1, 65536, 65537, 300_000]) {
      const { memory } = allocateRowKernels(bytes);
      expect(memory.byteLength).toBeGreaterThanOrEqual(bytes);
      expect(new Uint8Array(memory).every((v) => v === 0)).toBe(true);
    }
  });

  it("gives every caller a memory of its own", () => {
    const [a, b] = [allocateRowKernels(64), allocateRowKernels(64)];
    new Uint8Array(a.memory).fill(1);
    expect(new Uint8Array(b.memory).every((v) => v === 0)).toBe(true);
  });

  it.each([2 ** 32 + 1, 2 ** 40])("refuses %i bytes: addresses are 32 bits wide", (bytes) => {
    expect(() => allocateRowKernels(bytes)).toThrow(RangeError);
    expect(() => allocateRowKernels(bytes)).toThrow(`${bytes} bytes exceed the 4 GiB`);
  });
});
