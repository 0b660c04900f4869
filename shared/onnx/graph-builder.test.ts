import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "./graph-builder.js";
import { encodeModel } from "./model-layout.js";
import { sessionOptions } from "./session.js";

async function run(
  graph: GraphBuilder,
  feeds: Record<string, ort.Tensor>,
): Promise<Record<string, { dims: readonly number[]; values: number[]; type: string }>> {
  const session = await ort.InferenceSession.create(await encodeModel(graph), sessionOptions({ threads: 1 }));
  try {
    const fetched = await session.run(feeds);
    return Object.fromEntries(
      Object.entries(fetched).map(([name, { dims, data, type }]) => [
        name,
        { dims, type, values: Array.from(data as Float32Array | Uint16Array | BigInt64Array, Number) },
      ]),
    );
  } finally {
    await session.release();
  }
}

const floats = (values: number[], dims: number[]) =>
  new ort.Tensor("float32", Float32Array.from(values), dims);

describe("GraphBuilder", () => {
  it("splits into several outputs, each usable as input and as output of the graph", async () => {
    const graph = new GraphBuilder("split");
    const x = graph.input("x", ["n", 4]);
    const [first, second] = graph.nodes("Split", [x, graph.integers([1, 3])], { axis: 1 }, 2);
    graph.output("rest", second, ["n", 3]);
    graph.output("sum", graph.node("Add", [first, second]), ["n", 3]);
    const { rest, sum } = await run(graph, { x: floats([1, 2, 3, 4], [1, 4]) });
    expect(rest.values).toEqual([2, 3, 4]);
    expect(sum.values).toEqual([3, 4, 5]);
  });

  it("gives one value two output names, and lets it be used after it became an output", async () => {
    const graph = new GraphBuilder("twice");
    const doubled = graph.node("Mul", [graph.input("x", ["n"]), graph.scalar(2)]);
    graph.output("a", doubled, ["n"]);
    graph.output("b", doubled, ["n"]);
    graph.output("c", graph.node("Neg", [doubled]), ["n"]);
    const { a, b, c } = await run(graph, { x: floats([1, 3], [2]) });
    expect([a.values, b.values, c.values]).toEqual([
      [2, 6],
      [2, 6],
      [-2, -6],
    ]);
  });

  it("writes weights, constants, casts and outputs in float16, inputs in int64", async () => {
    const graph = new GraphBuilder("half", { opset: 18 });
    const t = graph.input("t", ["n"], "int64");
    const weight = graph.weight("w", [2], "float16", () => Promise.resolve(Float32Array.of(0.5, 1 / 3)));
    const product = graph.node("Mul", [graph.cast(t, "float16"), weight]);
    graph.output("h", graph.node("Add", [product, graph.scalar(1, "float16")]), ["n"], "float16");
    graph.output("picked", graph.node("Gather", [t, graph.scalar(1, "int64")], { axis: 0 }), [], "int64");
    const { h, picked } = await run(graph, { t: new ort.Tensor("int64", BigInt64Array.of(4n, 3n), [2]) });
    // 1/3 in float16 is 0.333251953125; times 3 plus 1 rounds to 2. Bit patterns of 3 and 2.
    expect(h).toEqual({ dims: [2], type: "float16", values: [0x4200, 0x4000] });
    expect(picked).toEqual({ dims: [], type: "int64", values: [3] });
  });

  it("writes float lists and leaves out inputs with an empty name", async () => {
    const graph = new GraphBuilder("resize", { opset: 17 });
    const none = "" as Value;
    const scales = graph.constant(Float32Array.of(1, 1, 2, 2), [4]);
    const nearest = { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
    const resized = graph.node("Resize", [graph.input("x", [1, 1, 1, 2]), none, scales], nearest);
    graph.output("y", resized, [1, 1, 2, 4]);
    const { y } = await run(graph, { x: floats([1, 2], [1, 1, 1, 2]) });
    expect(y.values).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
    const listed = new GraphBuilder("list");
    listed.output("y", listed.node("Constant", [], { value_floats: { floats: [0.5, -2] } }), [2]);
    expect((await run(listed, {})).y.values).toEqual([0.5, -2]);
  });

  it("refuses a name defined twice, and passes over weights' names when it names a node", () => {
    const graph = new GraphBuilder("names");
    const weight = graph.weight("Add_0", [1], "float32", () => Promise.resolve(Float32Array.of(1)));
    const sum = graph.node("Add", [graph.input("x", [1]), weight]);
    expect(sum).not.toBe("Add_0");
    expect(() => graph.weight("Add_0", [1], "float32", () => Promise.resolve(new Float32Array(1)))).toThrow(
      "Add_0 is defined twice",
    );
    expect(() => graph.input("x", [1])).toThrow("x is defined twice");
  });

  it("builds at once only what is in memory, and refuses a constant of another size than it says", () => {
    const lazy = new GraphBuilder("lazy");
    lazy.weight("w", [1], "float32", () => Promise.resolve(new Float32Array(1)));
    expect(() => lazy.build()).toThrow("graph lazy has weights to be read");
    const wrong = new GraphBuilder("wrong");
    wrong.constant(new Float32Array(3), [2, 2]);
    expect(() => wrong.build()).toThrow("[2, 2] needs 16 bytes, has 12");
  });
});
