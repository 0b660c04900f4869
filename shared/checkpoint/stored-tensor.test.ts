import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { PositionedFile } from "./positioned-file.js";
import { StoredTensor } from "./stored-tensor.js";
import { elementsOf, rowMajorStrides, type TensorLayout } from "./tensor-layout.js";

/** What indexing says the values are. */
const gathered = (storage: ArrayLike<number>, { shape, strides, offset }: TensorLayout): number[] => {
  const steps = rowMajorStrides(shape);
  return Array.from({ length: elementsOf(shape) }, (_, i) => {
    const index = shape.map((size, d) => Math.floor(i / steps[d]) % size);
    return storage[index.reduce((sum, n, d) => sum + n * strides[d], offset)];
  });
};

describe("StoredTensor", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "stored-tensor-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  const stored = async (name: string, values: Uint8Array): Promise<PositionedFile> => {
    const path = join(folder, name);
    await writeFile(path, values);
    return await PositionedFile.open(path);
  };

  const bytesOf = (values: ArrayBufferView) =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

  it("reads any view as indexing does: permuted, sliced, repeated, overlapping", async () => {
    const values = Int16Array.from({ length: 4096 }, (_, i) => i - 2000);
    const file = await stored("views", bytesOf(values));
    const layouts = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 150 })), { maxLength: 5 })
      .chain((dimensions) => {
        const shape = dimensions.map(([size]) => size);
        const strides = dimensions.map(([, stride]) => stride);
        return fc.record({ shape: fc.constant(shape), strides: fc.constant(strides), offset: fc.nat(90) });
      });
    await fc.assert(
      fc.asyncProperty(layouts, async (layout) => {
        const tensor = new StoredTensor("w", "int16", { file, position: 0, elements: 4096 }, layout);
        expect([...(await tensor.read())]).toEqual(gathered(values, layout));
      }),
      { numRuns: 300 },
    );
    await file.close();
  });

  it("reads views larger than the chunk it holds at a time", async () => {
    const [rows, columns] = [900, 1000];
    const values = Float32Array.from({ length: rows * columns + 3 }, (_, i) => i);
    const file = await stored("large", bytesOf(values));
    const storage = { file, position: 12, elements: rows * columns };
    const at = (layout: TensorLayout) => new StoredTensor("w", "float32", storage, layout).read();
    const gapless = await at({ shape: [rows, columns], strides: [columns, 1], offset: 0 });
    expect(gapless.findIndex((value, i) => value !== i + 3)).toBe(-1);
    const transposed = await at({ shape: [columns, rows], strides: [1, columns], offset: 0 });
    const expected = (i: number) => (i % rows) * columns + Math.floor(i / rows) + 3;
    expect(transposed.findIndex((value, i) => value !== expected(i))).toBe(-1);
    const column = await at({ shape: [rows], strides: [columns], offset: 5 });
    expect(column.findIndex((value, i) => value !== i * columns + 8)).toBe(-1);
    await file.close();
  });

  it("gives a fresh array each time", async () => {
    const file = await stored("fresh", bytesOf(Float32Array.of(1, 2)));
    const layout = { shape: [2], strides: [1], offset: 0 };
    const tensor = new StoredTensor("w", "float32", { file, position: 0, elements: 2 }, layout);
    (await tensor.read()).fill(9);
    expect([...(await tensor.read())]).toEqual([1, 2]);
    await file.close();
  });

  it("names the tensor when the file is too short, at once or while it is read", async () => {
    const file = await stored("short", bytesOf(Float32Array.of(1, 2)));
    const layout = { shape: [2], strides: [1], offset: 0 };
    const make = (position: number) =>
      new StoredTensor("conv.weight", "float32", { file, position, elements: 2 }, layout);
    expect(() => make(4)).toThrow(InputError);
    expect(() => make(4)).toThrow(/short: tensor conv\.weight \[2\].*4 to 12, the file has 8/);
    const tensor = make(0);
    await truncate(file.path, 4);
    await expect(tensor.read()).rejects.toThrow(/cut short while tensor conv\.weight/);
    await file.close();
  });

  it("refuses integers that float32 would round, saying where", async () => {
    const file = await stored("integers", bytesOf(Int32Array.of(0, 2 ** 24 + 1)));
    const layout = { shape: [1], strides: [1], offset: 1 };
    const tensor = new StoredTensor("steps", "int32", { file, position: 0, elements: 2 }, layout);
    await expect(tensor.read()).rejects.toThrow(/tensor steps \[1\] holds int32.*stored element 1/);
    await file.close();
  });
});
