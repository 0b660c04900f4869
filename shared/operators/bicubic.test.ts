import { describe, expect, it } from "vitest";
import { bicubicLine } from "./bicubic.js";
import { denseMatrix, multiply } from "./dense-matrix.js";

describe("bicubicLine", () => {
  it("has the taps of the cubic kernel around the centre of a block", () => {
    // Scale 2, block 2 of 8: centre 5 (between pixels 4 and 5), taps at pixels 1 .. 8, the last mirrored onto 7.
    const { values } = bicubicLine(8, 2);
    const taps = [-3, -9, 29, 111, 111, 29, -9, -3].map((t) => t / 256);
    const row = [0, ...taps];
    row[7]! += row.pop()!;
    for (const [j, tap] of row.entries()) expect(values[2 * 8 + j]).toBeCloseTo(tap, 12);
  });

  it.each([
    [2, 16],
    [3, 18],
    [4, 32],
    [5, 5],
  ])("scale %i keeps constants, and the block centres of a ramp away from the edges", (scale, n) => {
    const line = bicubicLine(n, scale);
    const constant = multiply(
      line,
      denseMatrix(n, 1, () => 1),
    ).values;
    for (const value of constant) expect(value).toBeCloseTo(1, 12);
    const ramp = multiply(
      line,
      denseMatrix(n, 1, (i) => i + 0.5),
    ).values;
    for (let i = 2; i < n / scale - 2; i++) expect(ramp[i]).toBeCloseTo((i + 0.5) * scale, 10);
  });

  it("mirrors as often as a short line needs", () => {
    const { values } = bicubicLine(4, 4);
    expect([...values]).toHaveLength(4);
    for (let j = 0; j < 4; j++) expect(values[j]).toBeCloseTo(values[3 - j]!, 12);
  });
});
