import { describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { requireLayout, rowMajorStrides, storageOrder } from "./tensor-layout.js";

const require = (shape: number[], strides: number[], offset: number, elements: number) => () =>
  requireLayout({ shape, strides, offset }, elements, "f.pt: tensor w");

describe("requireLayout", () => {
  it("takes what lies in the storage to its last element", () => {
    expect(require([2, 3], [3, 1], 0, 6)).not.toThrow();
    expect(require([3, 2], [1, 3], 0, 6)).not.toThrow();
    expect(require([2, 2], [3, 1], 1, 6)).not.toThrow();
    expect(require([], [], 5, 6)).not.toThrow();
    expect(require([0, 3], [3, 1], 0, 0)).not.toThrow();
    expect(require([1, 6], [1e15, 1], 0, 6)).not.toThrow();
  });

  it.each([
    ["one element too far", [2, 3], [3, 1], 1, 6],
    ["a scalar behind the end", [], [], 6, 6],
    ["an offset beyond everything", [1], [1], Number.MAX_SAFE_INTEGER, 6],
    ["products beyond 2^53", [2 ** 30, 2 ** 30], [2 ** 40, 2 ** 40], 0, 6],
  ])("refuses %s, naming tensor and storage", (_, shape, strides, offset, elements) => {
    expect(require(shape, strides, offset, elements)).toThrow(InputError);
    expect(require(shape, strides, offset, elements)).toThrow(/f\.pt: tensor w reaches beyond.*6 elements/);
  });

  it.each([
    ["a negative stride", [2], [-1], 1, 6],
    ["a negative size", [-2], [1], 0, 6],
    ["a negative offset", [2], [1], -1, 6],
    ["a fraction", [1.5], [1], 0, 6],
    ["a size no number holds", [2 ** 60], [0], 0, 6],
    ["NaN", [Number.NaN], [1], 0, 6],
    ["more strides than sizes", [2], [1, 1], 0, 6],
    ["65 dimensions", new Array<number>(65).fill(1), new Array<number>(65).fill(1), 0, 6],
  ])("refuses %s", (_, shape, strides, offset, elements) => {
    expect(require(shape, strides, offset, elements)).toThrow(/tensor w has an impossible layout/);
  });

  it("refuses to blow one stored element up to gigabytes", () => {
    expect(require([2 ** 24], [0], 0, 1)).not.toThrow();
    expect(require([2 ** 24 + 1], [0], 0, 1)).toThrow(/repeats 1 stored elements to 16777217.*contiguous/);
  });
});

describe("storageOrder", () => {
  it("merges what is gapless and drops dimensions of size 1", () => {
    const shape = [4, 1, 3, 5];
    expect(storageOrder({ shape, strides: rowMajorStrides(shape), offset: 0 })).toEqual([
      { size: 60, from: 1, to: 1 },
    ]);
  });

  it("puts the largest distance in the storage first", () => {
    expect(storageOrder({ shape: [3, 4], strides: [1, 3], offset: 0 })).toEqual([
      { size: 4, from: 3, to: 1 },
      { size: 3, from: 1, to: 4 },
    ]);
  });
});
