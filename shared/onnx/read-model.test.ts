import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { packageRoot } from "../package-root.js";
import { GraphBuilder } from "./graph-builder.js";
import { encodeModel, layoutModel } from "./model-layout.js";
import { encodeMessage } from "./onnx-proto.js";
import { readModel } from "./read-model.js";

const given = fileURLToPath(new URL("test/fixtures/prior-pytorch.onnx", packageRoot));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "read-model-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function stored(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

const weights = (count: number) => () => Promise.resolve(Float32Array.from({ length: count }, (_, at) => at));

function everyKind(): GraphBuilder {
  const graph = new GraphBuilder("every kind", { opset: 18, producerVersion: "1.2.3" });
  const x = graph.input("x", ["n", 3, "h", 8]);
  const t = graph.input("t", ["n"], "int64");
  const weight = graph.weight("conv.weight", [4, 3, 3, 3], "float16", weights(108));
  const large = graph.weight("table", [2000], "float32", weights(2000));
  const rows = graph.node("Gather", [large, t], { axis: 0 });
  const conv = graph.node("Conv", [graph.cast(x, "float16"), weight], {
    pads: [1, 1, 1, 1],
    auto_pad: "NOTSET",
  });
  const [first, second] = graph.nodes("Split", [conv], { axis: 1, num_outputs: 2 }, 2);
  const joined = graph.node("LeakyRelu", [graph.node("Add", [first, second])], { alpha: { float: 0.25 } });
  graph.output("y", joined, ["n", 2, "h", 8], "float16");
  graph.output("rows", graph.reshape(rows, [0, 1]), ["n", 1]);
  graph.metadata("family", "test family");
  graph.metadata("note", "naïve");
  return graph;
}

describe("readModel", () => {
  it("reads back everything GraphBuilder writes", async () => {
    const path = await stored("every.onnx", await encodeModel(everyKind()));
    const model = await readModel(path);
    expect(model).toMatchObject({
      path,
      irVersion: 8,
      opset: 18,
      name: "every kind",
      producer: { name: "deqfleet", version: "1.2.3" },
      inputs: [
        { name: "x", elementType: "float32", dims: ["n", 3, "h", 8] },
        { name: "t", elementType: "int64", dims: ["n"] },
      ],
      outputs: [
        { name: "y", elementType: "float16", dims: ["n", 2, "h", 8] },
        { name: "rows", elementType: "float32", dims: ["n", 1] },
      ],
    });
    expect(model.metadata).toEqual(
      new Map([
        ["family", "test family"],
        ["note", "naïve"],
      ]),
    );
    expect(model.nodes.map(({ op }) => op)).toEqual([
      ..."Gather Cast Conv Split Add LeakyRelu Reshape".split(" "),
    ]);
    const [, , conv, split, , relu] = model.nodes;
    expect(conv.inputs[1]).toBe("conv.weight");
    expect(conv.attributes).toEqual(
      new Map<string, object>([
        ["pads", { kind: "numbers", value: [1, 1, 1, 1] }],
        ["auto_pad", { kind: "text", value: "NOTSET" }],
      ]),
    );
    expect(split.outputs).toHaveLength(2);
    expect(relu.attributes.get("alpha")).toEqual({ kind: "number", value: 0.25 });
    expect(model.initializers).toMatchObject([
      { name: "conv.weight", elementType: "float16", dims: [4, 3, 3, 3], bytes: 216 },
      { name: "table", elementType: "float32", dims: [2000], bytes: 8000 },
      { elementType: "int64", dims: [2], bytes: 16, values: [0, 1] },
    ]);
    expect(model.initializers[1].values).toBeUndefined();
  });

  it("reads a model exported by PyTorch", async () => {
    const model = await readModel(given);
    expect(model.producer).toEqual({ name: "pytorch", version: "1.13.0" });
    expect(model.opset).toBe(17);
    expect(model.inputs).toEqual([
      { name: "x", elementType: "float32", dims: ["n", 3, "h", "w"] },
      { name: "t", elementType: "float32", dims: ["n"] },
    ]);
    expect(model.outputs.map(({ name }) => name)).toEqual(["eps"]);
    expect(model.nodes).toHaveLength(1236);
    expect(model.initializers).toHaveLength(240);
    expect(model.initializers.find(({ name }) => name === "net.input_blocks.0.0.weight")).toEqual({
      name: "net.input_blocks.0.0.weight",
      elementType: "float32",
      dims: [32, 3, 3, 3],
      bytes: 3456,
      values: expect.any(Array),
    });
    const constant = model.nodes.find(({ op }) => op === "Constant")?.attributes.get("value");
    expect(constant?.kind).toBe("tensor");
  });

  it("reads values from the typed fields other exporters use, and lists initializers as no inputs", async () => {
    const tensors = [
      { name: "f", dims: [2], dataType: 1, floatData: [0.5, -1] },
      { name: "l", dims: [3], dataType: 7, int64Data: [0, -1, 4294967296] },
      { name: "i", dims: [1], dataType: 6, int32Data: [-7] },
      { name: "d", dims: [], dataType: 11, doubleData: [0.1] },
      { name: "none", dims: [0], dataType: 1 },
    ].map((tensor) => encodeMessage("Tensor", tensor));
    const field = (number: number, bytes: Uint8Array) =>
      Buffer.from([(number << 3) | 2, bytes.length, ...bytes]);
    const graph = Buffer.concat([
      field(11, encodeMessage("ValueInfo", { name: "f", type: { tensorType: { elemType: 1 } } })),
      ...tensors.map((bytes) => field(5, bytes)),
    ]);
    const head = encodeMessage("Model", { irVersion: 3, opsetImport: [{ domain: "", version: 11 }] });
    const model = await readModel(await stored("typed.onnx", Buffer.concat([field(7, graph), head])));
    expect(model.inputs).toEqual([]);
    expect(model.initializers.map(({ name, values }) => [name, values])).toEqual([
      ["f", [0.5, -1]],
      ["l", [0, -1, 4294967296]],
      ["i", [-7]],
      ["d", [0.1]],
      ["none", []],
    ]);
  });

  it("reads a model of more than 2 GiB by position", async () => {
    const graph = new GraphBuilder("huge");
    const huge = graph.weight("huge", [3 * 2 ** 28], "float32", () =>
      Promise.reject(new Error("not read here")),
    );
    const small = graph.weight("small", [2], "float32", weights(2));
    graph.output("y", graph.node("Concat", [huge, small], { axis: 0 }), [3 * 2 ** 28 + 2]);
    const path = join(folder, "huge.onnx");
    const handle = await open(path, "w");
    let at = 0;
    for (const piece of layoutModel(graph.contents()).model) {
      // Weights stay holes of the file.
      if (piece instanceof Uint8Array) await handle.write(piece, 0, piece.byteLength, at);
      at += piece.byteLength;
    }
    await handle.truncate(at);
    await handle.close();
    const before = process.memoryUsage().rss;
    const model = await readModel(path);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
    expect(model.fileBytes).toBeGreaterThan(3 * 2 ** 30);
    expect(model.initializers.map(({ name, bytes }) => [name, bytes])).toEqual([
      ["huge", 3 * 2 ** 30],
      ["small", 8],
    ]);
  });

  it("refuses a model cut off anywhere, naming the file", async () => {
    const whole = await encodeModel(everyKind());
    const path = join(folder, "cut.onnx");
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.byteLength - 1 }), async (length) => {
        await writeFile(path, whole.subarray(0, length));
        const reading = readModel(path);
        await expect(reading).rejects.toThrow(InputError);
        await expect(reading).rejects.toThrow(path);
      }),
      { numRuns: 300 },
    );
  });

  it("answers damaged bytes with a model or an InputError, nothing else", async () => {
    const whole = await encodeModel(everyKind());
    const path = join(folder, "damaged.onnx");
    const damage = fc.array(fc.tuple(fc.nat(whole.byteLength - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 5,
    });
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        await writeFile(path, bytes);
        const thrown: unknown = await readModel(path).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (thrown === undefined) return;
        expect(thrown).toBeInstanceOf(InputError);
        refused++;
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(0);
  });

  it("refuses what is no model: an empty file, other formats, folders, missing files", async () => {
    const picture = await readFile(fileURLToPath(new URL("models/prior.io.safetensors", packageRoot)));
    for (const bytes of [new Uint8Array(0), Buffer.from("hello, this is text"), picture.subarray(0, 5000)]) {
      await expect(readModel(await stored("other.onnx", bytes))).rejects.toThrow(InputError);
    }
    await expect(readModel(folder)).rejects.toThrow(`${folder} is not a file`);
    await expect(readModel(join(folder, "missing.onnx"))).rejects.toThrow("cannot be read");
  });

  it("refuses weights said to lie outside the model's folder, or of another length", async () => {
    const model = (location: string, length: string) => {
      const tensor = encodeMessage("Tensor", {
        name: "w",
        dims: [2],
        dataType: 1,
        dataLocation: 1,
        externalData: Object.entries({ location, length }).map(([key, value]) => ({ key, value })),
      });
      const head = encodeMessage("Model", { irVersion: 8, opsetImport: [{ domain: "", version: 17 }] });
      const graph = [(5 << 3) | 2, tensor.length, ...tensor];
      return Buffer.from([...head, (7 << 3) | 2, graph.length, ...graph]);
    };
    for (const location of ["../w.data", "/etc/passwd", "a/../../b", "C:\\w", ""]) {
      await expect(readModel(await stored("outside.onnx", model(location, "8")))).rejects.toThrow(
        `the values of w are said to lie in "${location}"`,
      );
    }
    await expect(readModel(await stored("length.onnx", model("w.data", "7")))).rejects.toThrow(
      "take 8 bytes",
    );
    const read = await readModel(await stored("inside.onnx", model("sub/w..data", "8")));
    expect(read.initializers[0].external).toEqual({ location: "sub/w..data", offset: 0, length: 8 });
  });
});
