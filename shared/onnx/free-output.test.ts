import * as ort from "onnxruntime-node";
import { expect, it } from "vitest";
import { freeOutput } from "./free-output.js";

it("frees the memory of an output", () => {
  const output = new ort.Tensor("float32", new Float32Array(6), [2, 3]);
  freeOutput(output, new Float32Array(6));
  expect((output.data as Float32Array).buffer.byteLength).toBe(0);
});

it("leaves an output alone that is the caller's own array", () => {
  const into = new Float32Array(8);
  freeOutput(new ort.Tensor("float32", into.subarray(2), [6]), into);
  expect(into).toHaveLength(8);
});
