import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../onnx/graph-builder.js";
import { encodeModel } from "../onnx/model-layout.js";
import { Kernel } from "../onnx/session.js";
import { Layers } from "./layers.js";
import { upsampledConv } from "./upsampled-conv.js";

/** Values by tensor, the same at every reading. */
const tensorsOf = (seed: number) => ({
  take: (name: string, shape: readonly number[]) => async () =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
      Math.sin(seed * (i + name.length)),
    ),
});

describe("upsampledConv", () => {
  it("is the convolution of the enlarged picture, borders included", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          n: fc.integer({ min: 1, max: 2 }),
          channels: fc.integer({ min: 1, max: 3 }),
          out: fc.integer({ min: 1, max: 3 }),
          height: fc.integer({ min: 1, max: 5 }),
          width: fc.integer({ min: 1, max: 5 }),
          seed: fc.integer({ min: 1, max: 1000 }),
        }),
        async ({ n, channels, out, height, width, seed }) => {
          const run = async (
            write: (layers: Layers, x: Parameters<typeof upsampledConv>[1]) => { value: string },
          ) => {
            const graph = new GraphBuilder("enlarging");
            const layers = new Layers(graph, tensorsOf(seed), "float32");
            const x = graph.input("x", ["N", channels, "H", "W"]);
            const { value } = write(layers, { value: x, channels, level: 1, type: "float32" });
            graph.output("y", value as typeof x, ["N", out, "H2", "W2"]);
            const kernel = await Kernel.load(await encodeModel(graph), { threads: 1 });
            const dims = [n, channels, height, width];
            const values = Float32Array.from({ length: n * channels * height * width }, (_, i) =>
              Math.cos(seed + i * i),
            );
            const found = new Float32Array(n * out * 4 * height * width);
            await kernel.run(
              { x: { values, dims } },
              { y: { values: found, dims: [n, out, 2 * height, 2 * width] } },
            );
            await kernel.release();
            return found;
          };
          const small = await run((layers, x) => upsampledConv(layers, x, "conv", out));
          const large = await run((layers, x) => layers.conv(layers.upsample(x), "conv", { kernel: 3, out }));
          for (const [i, value] of large.entries()) expect(small[i]).toBeCloseTo(value, 4);
        },
      ),
      { numRuns: 30 },
    );
  });
});
