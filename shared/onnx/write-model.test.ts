import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mountTinyDisk, unmountTinyDisk } from "../../test/tiny-disk.js";
import { FatalError, InputError } from "../errors.js";
import { GraphBuilder, type WeightType } from "./graph-builder.js";
import { encodeModel } from "./model-layout.js";
import { readModel } from "./read-model.js";
import { sessionOptions } from "./session.js";
import { writeModel } from "./write-model.js";

const width = 40;

/** y = x W1 W2 with W_k = k times the identity. */
function chain(
  read: (layer: number) => Promise<Float32Array>,
  elementType: WeightType = "float32",
): GraphBuilder {
  const graph = new GraphBuilder("chain", { producerVersion: "test" });
  let value = graph.input("x", ["n", width]);
  if (elementType === "float16") value = graph.cast(value, "float16");
  for (const layer of [1, 2]) {
    const weight = graph.weight(`layers.${layer}.weight`, [width, width], elementType, () => read(layer));
    value = graph.node("MatMul", [value, weight]);
  }
  graph.output("y", elementType === "float16" ? graph.cast(value, "float32") : value, ["n", width]);
  graph.metadata("family", "chain");
  return graph;
}

const scaledIdentity = (factor: number): Float32Array =>
  Float32Array.from({ length: width * width }, (_, at) => (at % (width + 1) === 0 ? factor : 0));

const identities = (layer: number) => Promise.resolve(scaledIdentity(layer));

async function evaluate(path: string): Promise<number> {
  const session = await ort.InferenceSession.create(path, sessionOptions({ threads: 1 }));
  try {
    const x = new ort.Tensor("float32", new Float32Array(width).fill(3), [1, width]);
    const { y } = await session.run({ x });
    const values = y.data as Float32Array;
    expect(new Set(values).size).toBe(1);
    return values[0];
  } finally {
    await session.release();
  }
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "write-model-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("writeModel", () => {
  it("writes one file that ONNX Runtime loads by path, with the bytes of the model in memory", async () => {
    const path = join(folder, "deep", "er", "chain.onnx");
    const written = await writeModel(chain(identities), path);
    const bytes = await readFile(path);
    expect(written).toEqual({ path, bytes: bytes.byteLength });
    expect(bytes.equals(await encodeModel(chain(identities)))).toBe(true);
    expect(await readdir(join(folder, "deep", "er"))).toEqual(["chain.onnx"]);
    expect(await evaluate(path)).toBe(6);
  });

  it("keeps weights beside the model past the limit and on request, aligned, and small constants inside", async () => {
    const inline = (await encodeModel(chain(identities))).byteLength;
    const path = join(folder, "chain.onnx");
    await writeModel(chain(identities), path, { inlineLimit: inline });
    expect(await readdir(folder)).toEqual(["chain.onnx"]);

    const weightBytes = width * width * 4;
    for (const options of [{ inlineLimit: inline - 1 }, { externalData: "always" as const }]) {
      const written = await writeModel(chain(identities), path, options);
      expect((await readdir(folder)).sort()).toEqual(["chain.onnx", "chain.onnx.data"]);
      expect(written.data).toEqual({ path: `${path}.data`, bytes: 8192 + weightBytes });
      expect((await stat(`${path}.data`)).size).toBe(8192 + weightBytes);
      expect(written.bytes).toBe((await stat(path)).size);
      expect((await readModel(path)).initializers.map(({ external }) => external)).toEqual([
        { location: "chain.onnx.data", offset: 0, length: weightBytes },
        { location: "chain.onnx.data", offset: 8192, length: weightBytes },
      ]);
      expect(await evaluate(path)).toBe(6);
    }

    const small = new GraphBuilder("small");
    small.output("y", small.reshape(small.input("x", [4]), [2, 2]), [2, 2]);
    expect(
      (await writeModel(small, join(folder, "small.onnx"), { externalData: "always" })).data,
    ).toBeUndefined();
  });

  it("converts to float16 while writing, and leaves nothing when a value does not fit", async () => {
    const path = join(folder, "half.onnx");
    const { bytes } = await writeModel(chain(identities, "float16"), path);
    expect(bytes).toBeLessThan(2 * width * width * 2 + 1000);
    expect(await evaluate(path)).toBe(6);
    const large = chain((layer) => Promise.resolve(scaledIdentity(layer === 2 ? 7e4 : 1)), "float16");
    const failing = writeModel(large, join(folder, "large.onnx"));
    await expect(failing).rejects.toThrow("layers.2.weight: the value 70000 ");
    await expect(failing).rejects.toThrow(InputError);
    expect(await readdir(folder)).toEqual(["half.onnx"]);
  });

  it("reads each weight once, in order, the next one only after the one before is taken", async () => {
    const events: string[] = [];
    const graph = chain(async (layer) => {
      events.push(`begin ${layer}`);
      await new Promise((done) => setTimeout(done, 5));
      events.push(`end ${layer}`);
      return scaledIdentity(layer);
    });
    await writeModel(graph, join(folder, "chain.onnx"), { externalData: "always" });
    expect(events).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
  });

  it.each(["auto", "always"] as const)(
    "leaves an earlier model as it was when a weight cannot be read or the write is stopped (%s)",
    async (externalData) => {
      const path = join(folder, "chain.onnx");
      await writeModel(chain(identities), path, { externalData });
      const before = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))));
      const unreadable = new InputError("layers.2.weight: the file is truncated");
      const tripled = (layer: number) => Promise.resolve(scaledIdentity(3 * layer));
      const broken = chain((layer) => (layer === 2 ? Promise.reject(unreadable) : tripled(layer)));
      await expect(writeModel(broken, path, { externalData })).rejects.toBe(unreadable);
      const short = chain((layer) => Promise.resolve(new Float32Array(layer)));
      await expect(writeModel(short, path, { externalData })).rejects.toThrow("was read as 1 values");

      const stop = new AbortController();
      const reason = new Error("stopped by the user");
      const stopped = chain((layer) => {
        if (layer === 2) stop.abort(reason);
        return tripled(layer);
      });
      await expect(writeModel(stopped, path, { externalData, signal: stop.signal })).rejects.toBe(reason);
      const after = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))));
      expect(after).toEqual(before);
    },
  );

  it("removes the folders it made when it fails, and no others", async () => {
    const broken = chain(() => Promise.reject(new InputError("unreadable")));
    await expect(writeModel(broken, join(folder, "a", "b", "chain.onnx"))).rejects.toThrow("unreadable");
    expect(await readdir(folder)).toEqual([]);
  });

  it("names the path when a folder or a file is in the way", async () => {
    const path = join(folder, "chain.onnx");
    await mkdir(path);
    const blocked = writeModel(chain(identities), path);
    await expect(blocked).rejects.toThrow(FatalError);
    await expect(blocked).rejects.toThrow(`${path} cannot be written: a folder of that name is in the way`);
    const file = join(folder, "file");
    await writeFile(file, "text");
    await expect(writeModel(chain(identities), join(file, "chain.onnx"))).rejects.toThrow(FatalError);
    expect((await readdir(folder)).sort()).toEqual(["chain.onnx", "file"]);
  });

  it("reports a full disk by the file's path and keeps the earlier model", async () => {
    const path = join(folder, "chain.onnx");
    const large = (elements: number) => {
      const graph = new GraphBuilder("large");
      const read = () => Promise.resolve(new Float32Array(elements));
      graph.output("y", graph.node("Neg", [graph.weight("w", [elements], "float32", read)]), [elements]);
      return graph;
    };
    if (!mountTinyDisk(folder)) {
      // Without the right to mount: a file system that takes no new files.
      await expect(writeModel(large(1), "/proc/deqfleet/chain.onnx")).rejects.toThrow(FatalError);
      return;
    }
    try {
      await writeModel(large(1000), path);
      const before = await readFile(path);
      for (const externalData of ["auto", "always"] as const) {
        const failing = writeModel(large(1e6), path, { externalData });
        await expect(failing).rejects.toThrow(FatalError);
        await expect(failing).rejects.toThrow(
          `${path}${externalData === "always" ? ".data" : ""} cannot be written: no space left`,
        );
      }
      expect(await readdir(folder)).toEqual(["chain.onnx"]);
      expect((await readFile(path)).equals(before)).toBe(true);
    } finally {
      unmountTinyDisk(folder);
    }
  });

  it("gives earlier weights their name back when the model cannot take its own", async () => {
    const path = join(folder, "chain.onnx");
    await writeFile(`${path}.data`, "weights of another model");
    // The folder appears after the check, while the last weight is read.
    const blocking = chain(async (layer) => {
      if (layer === 2) await mkdir(join(path, "inside"), { recursive: true });
      return scaledIdentity(layer);
    });
    await expect(writeModel(blocking, path, { externalData: "always" })).rejects.toThrow(FatalError);
    expect(await readFile(`${path}.data`, "utf8")).toBe("weights of another model");
    expect((await readdir(folder)).sort()).toEqual(["chain.onnx", "chain.onnx.data"]);
  });

  it("leaves no data file behind when the model cannot take its name and there were no earlier weights", async () => {
    const path = join(folder, "chain.onnx");
    const blocking = chain(async (layer) => {
      if (layer === 2) await mkdir(join(path, "inside"), { recursive: true });
      return scaledIdentity(layer);
    });
    await expect(writeModel(blocking, path, { externalData: "always" })).rejects.toThrow(FatalError);
    expect(await readdir(folder)).toEqual(["chain.onnx"]);
  });

  it("does nothing when it is stopped before it begins", async () => {
    const reason = new Error("stopped");
    const begun: number[] = [];
    const graph = chain((layer) => {
      begun.push(layer);
      return identities(layer);
    });
    const signal = AbortSignal.abort(reason);
    await expect(writeModel(graph, join(folder, "chain.onnx"), { signal })).rejects.toBe(reason);
    expect(begun).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });
});
