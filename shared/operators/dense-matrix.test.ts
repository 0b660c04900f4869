import { expect, it } from "vitest";
import { denseMatrix, multiply, transpose } from "./dense-matrix.js";

const a = denseMatrix(2, 3, (i, j) => 10 * i + j);

it("multiplies row by column", () => {
  const b = denseMatrix(3, 2, (i, j) => i - j);
  expect([...multiply(a, b).values]).toEqual([5, 2, 35, 2]);
});

it("transposes", () => {
  expect(transpose(a)).toEqual(denseMatrix(3, 2, (i, j) => 10 * j + i));
});

it("refuses factors that do not fit", () => {
  expect(() => multiply(a, a)).toThrow(/cannot multiply 2x3 by 2x3/);
});
