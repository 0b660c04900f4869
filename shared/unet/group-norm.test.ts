import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../onnx/graph-builder.js";
import { Kernel } from "../onnx/session.js";
import { groupNorm } from "./group-norm.js";
import { Layers } from "./layers.js";
import { TensorList } from "./network-tensors.js";

/** Wu and He 2018, equations 1 to 3, with double sums. */
function reference(
  x: Float32Array,
  [n, c, plane]: readonly number[],
  groups: number,
  eps: number,
): Float64Array {
  const size = (c / groups) * plane;
  const out = new Float64Array(x.length);
  for (let group = 0; group < n * groups; group++) {
    const values = x.subarray(group * size, (group + 1) * size);
    const mean = values.reduce((a, b) => a + b, 0) / size;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / size;
    for (const [i, value] of values.entries())
      out[group * size + i] = (value - mean) / Math.sqrt(variance + eps);
  }
  return out;
}

describe("groupNorm", () => {
  it("normalises each group of each picture, then scales and shifts", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          n: fc.integer({ min: 1, max: 3 }),
          groups: fc.constantFrom(1, 2, 4),
          perGroup: fc.integer({ min: 1, max: 3 }),
          height: fc.integer({ min: 1, max: 4 }),
          width: fc.integer({ min: 2, max: 5 }),
          fixed: fc.boolean(),
          seed: fc.integer({ min: 1, max: 1000 }),
        }),
        async ({ n, groups, perGroup, height, width, fixed, seed }) => {
          const channels = groups * perGroup;
          const graph = new GraphBuilder("norm");
          const layers = new Layers(
            graph,
            new TensorList(),
            "float32",
            fixed ? { height, width } : undefined,
          );
          const x = graph.input("x", ["N", channels, "H", "W"]);
          const scale = graph.constant(Float32Array.of(2), [1]);
          const shift = graph.constant(Float32Array.of(-1), [1]);
          const feature = { value: x, channels, level: 0, type: "float32" } as const;
          const { value } = groupNorm(layers, feature, { groups, eps: 1e-5 }, { scale, shift });
          graph.output("y", value, ["N", channels, "H", "W"]);
          const kernel = await Kernel.load(graph.build(), { threads: 1 });
          const dims = [n, channels, height, width];
          const values = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) =>
            Math.sin(seed * (i + 1)),
          );
          const found = new Float32Array(values.length);
          await kernel.run({ x: { values, dims } }, { y: { values: found, dims } });
          await kernel.release();
          const expected = reference(values, [n, channels, height * width], groups, 1e-5);
          for (const [i, normalised] of expected.entries())
            expect(found[i]).toBeCloseTo(2 * normalised - 1, 4);
        },
      ),
      { numRuns: 40 },
    );
  });
});
