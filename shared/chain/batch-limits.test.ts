import { describe, expect, it } from "vitest";
import { batchLimits, picturesPerCall } from "./batch-limits.js";

const square = (side: number) => ({ height: side, width: side });

describe("pictures in a call", () => {
  it.each([
    [32, 4],
    [64, 4],
    [72, 3],
    [96, 1],
    [1024, 1],
  ])("by default, of side %i: %i", (side, count) => {
    expect(picturesPerCall(batchLimits(null), square(side))).toBe(count);
  });

  it.each([
    [16, 64, 16],
    [16, 256, 4],
    [1, 32, 1],
    [16, 1024, 1],
  ])("asked for %i, of side %i: %i", (batch, side, count) => {
    expect(picturesPerCall(batchLimits(batch), square(side))).toBe(count);
  });

  it.each([
    [null, 64, 16],
    [null, 256, 16],
    [null, 512, 4],
    [8, 64, 8],
    [64, 256, 32],
  ])("on a GPU, asked for %s, of side %i: %i", (batch, side, count) => {
    expect(picturesPerCall(batchLimits(batch, ["cuda:0", "cuda:1"]), square(side))).toBe(count);
    expect(batchLimits(batch, ["cuda:0", "cpu"])).toEqual(batchLimits(batch));
  });
});
