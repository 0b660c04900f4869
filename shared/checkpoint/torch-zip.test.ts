import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  dict,
  global,
  integer,
  none,
  orderedDict,
  type PickleCode,
  pickle,
  reduce,
  storageId,
  tensor,
  tuple,
} from "../../test/pickle-code.js";
import { type TorchTensor, type TorchZipOptions, writeTorchZip } from "../../test/torch-files.js";
import { ZipWriter } from "../../test/zip-writer.js";
import type { StoredDtype } from "./checkpoint.js";
import { openCheckpoint } from "./open-checkpoint.js";

const dtypes: readonly StoredDtype[] = [
  "float64",
  "float32",
  "float16",
  "bfloat16",
  "int64",
  "int32",
  "int16",
  "int8",
  "uint8",
];

const counted = (
  name: string,
  dtype: StoredDtype,
  shape: readonly number[],
  view?: TorchTensor["view"],
): TorchTensor => ({
  name,
  dtype,
  shape,
  view,
  fill: (chunk, offset) => {
    for (let i = 0; i < chunk.length; i++) chunk[i] = offset + i;
  },
});

describe("torch zip checkpoints", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "torch-zip-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  const path = () => join(folder, "a.pt");
  const values = async (): Promise<Map<string, number[]>> => {
    const checkpoint = await openCheckpoint(path());
    const all = new Map<string, number[]>();
    for (const [name, stored] of checkpoint.tensors) all.set(name, [...(await stored.read())]);
    await checkpoint.close();
    return all;
  };
  const write = async (tensors: readonly TorchTensor[], options?: TorchZipOptions) =>
    await writeTorchZip(path(), tensors, options);
  /** A zip with this state dict and these storages. */
  const writeRaw = async (object: PickleCode, storages: Readonly<Record<string, Uint8Array>>) => {
    const zip = await ZipWriter.create(path());
    await zip.add("archive/data.pkl", [pickle(object)]);
    for (const [key, bytes] of Object.entries(storages)) await zip.add(`archive/data/${key}`, [bytes]);
    await zip.finish();
  };

  it("reads every element type, and views of their storages", async () => {
    const gapless = dtypes.map((dtype) => counted(dtype, dtype, [2, 3]));
    const transposed = dtypes.map((dtype) =>
      counted(`${dtype}.t`, dtype, [3, 2], { strides: [1, 3], offset: 1, elements: 7 }),
    );
    await write([...gapless, ...transposed], { byteOrder: "little", root: "model_final" });
    const all = await values();
    for (const dtype of dtypes) {
      expect(all.get(dtype)).toEqual([0, 1, 2, 3, 4, 5]);
      expect(all.get(`${dtype}.t`)).toEqual([1, 4, 2, 5, 3, 6]);
    }
  });

  it("reads tensors that share a storage", async () => {
    const shared = storageId("ShortStorage", "7", 6);
    const object = orderedDict([
      ["all", tensor(shared, 0, [6], [1])],
      ["odd", tensor(shared, 1, [3], [2])],
      ["repeated", tensor(shared, 5, [2, 2], [0, 0])],
      ["scalar", tensor(shared, 2, [], [])],
    ]);
    await writeRaw(object, { 7: new Uint8Array(Int16Array.of(1, 2, 3, 4, 5, 6).buffer) });
    expect(Object.fromEntries(await values())).toEqual({
      all: [1, 2, 3, 4, 5, 6],
      odd: [2, 4, 6],
      repeated: [6, 6, 6, 6],
      scalar: [3],
    });
  });

  it("reads a storage beyond 4 GiB", async () => {
    await write([counted("near", "float32", [2]), counted("far", "float32", [3])], { hole: 5 * 2 ** 30 });
    expect(Object.fromEntries(await values())).toEqual({ near: [0, 1], far: [0, 1, 2] });
  });

  it("inflates a compressed pickle, and refuses compressed values by name", async () => {
    const bytes = pickle(orderedDict([["w", tensor(storageId("CharStorage", "0", 2), 0, [2], [1])]]));
    const pack = async (compressed: boolean) => {
      const zip = await ZipWriter.create(path());
      await zip.add("archive/data.pkl", [deflateRawSync(bytes)], { bytes: bytes.byteLength });
      if (compressed) await zip.add("archive/data/0", [deflateRawSync(Uint8Array.of(1, 2))], { bytes: 2 });
      else await zip.add("archive/data/0", [Uint8Array.of(1, 2)]);
      await zip.finish();
    };
    await pack(false);
    expect(Object.fromEntries(await values())).toEqual({ w: [1, 2] });
    await pack(true);
    await expect(values()).rejects.toThrow(/archive\/data\/0 is compressed/);
  });

  it("refuses a big-endian file, a program, and a zip that is no or more than one checkpoint", async () => {
    await write([counted("a", "float32", [1])], { byteOrder: "big" });
    await expect(values()).rejects.toThrow(/byte order is "big", only little is read/);
    const zipOf = async (...names: readonly string[]) => {
      const zip = await ZipWriter.create(path());
      for (const name of names) await zip.add(name, [pickle(dict([]))]);
      await zip.finish();
      await values();
    };
    await expect(zipOf("m/data.pkl", "m/constants.pkl")).rejects.toThrow(/TorchScript program/);
    await expect(zipOf("word/document.xml")).rejects.toThrow(/zip file without data\.pkl/);
    await expect(zipOf("a/data.pkl", "b/data.pkl")).rejects.toThrow(
      /several checkpoints \(a\/data\.pkl, b\/data\.pkl\)/,
    );
  });

  it("names what it refuses in the pickle", async () => {
    const hostile = dict([["w", reduce(global("os", "system"), none)]]);
    await write([counted("a", "float32", [1])], { wrap: () => hostile });
    await expect(values()).rejects.toThrow(/a\.pt: the pickle holds os\.system/);
  });

  const four = new Uint8Array(16);
  const one = (storage: PickleCode, ...layout: [number, number[], number[]]) =>
    orderedDict([["conv.weight", tensor(storage, ...layout)]]);
  it.each<[string, PickleCode, Readonly<Record<string, Uint8Array>>, RegExp]>([
    [
      "a storage the file lacks",
      one(storageId("FloatStorage", "3", 4), 0, [4], [1]),
      { 0: four },
      /tensor conv\.weight \[4\].*archive\/data\/3, which the file lacks/,
    ],
    [
      "a storage smaller than said",
      one(storageId("FloatStorage", "0", 5), 0, [5], [1]),
      { 0: four },
      /tensor conv\.weight \[5\] has a storage of 5 float32 \(20 bytes\), archive\/data\/0 has 16/,
    ],
    [
      "a storage larger than said",
      one(storageId("FloatStorage", "0", 3), 0, [3], [1]),
      { 0: four },
      /3 float32 \(12 bytes\), archive\/data\/0 has 16/,
    ],
    [
      "a key that climbs out of its folder",
      one(storageId("FloatStorage", "../data.pkl", 4), 0, [4], [1]),
      { 0: four },
      /data\/\.\.\/data\.pkl, which the file lacks/,
    ],
    [
      "a view beyond its storage",
      one(storageId("FloatStorage", "0", 4), 1, [4], [1]),
      { 0: four },
      /tensor conv\.weight reaches beyond its storage/,
    ],
    [
      "a negative stride",
      one(storageId("FloatStorage", "0", 4), 3, [4], [-1]),
      { 0: four },
      /tensor conv\.weight has an impossible layout/,
    ],
    [
      "a negative offset",
      one(storageId("FloatStorage", "0", 4), -1, [2], [1]),
      { 0: four },
      /tensor conv\.weight has an impossible layout/,
    ],
    [
      "an overflowing shape",
      one(storageId("FloatStorage", "0", 4), 0, [2 ** 40, 2 ** 40], [1, 1]),
      { 0: four },
      /tensor conv\.weight reaches beyond its storage/,
    ],
    [
      "complex numbers",
      one(storageId("ComplexFloatStorage", "0", 2), 0, [2], [1]),
      { 0: four },
      /tensor conv\.weight \[2\] has the unsupported element type ComplexFloatStorage/,
    ],
    [
      "8-bit floats",
      orderedDict([
        [
          "conv.weight",
          reduce(
            global("torch._utils", "_rebuild_tensor_v3"),
            storageId("UntypedStorage", "0", 16),
            integer(0),
            tuple(integer(16)),
            tuple(integer(1)),
            none,
            none,
            global("torch", "float8_e4m3fn"),
          ),
        ],
      ]),
      { 0: four },
      /tensor conv\.weight \[16\] has the unsupported element type torch\.float8_e4m3fn/,
    ],
  ])("refuses %s, naming the tensor", async (_, object, storages, message) => {
    await writeRaw(object, storages);
    await expect(values()).rejects.toThrow(message);
  });

  it("passes over tensors it would refuse where they are not the weights", async () => {
    const object = dict([
      ["model", orderedDict([["w", tensor(storageId("FloatStorage", "0", 4), 0, [4], [1])]])],
      ["noise", tensor(storageId("ComplexFloatStorage", "1", 2), 0, [2], [1])],
    ]);
    await writeRaw(object, { 0: four });
    expect(Object.fromEntries(await values())).toEqual({ w: [0, 0, 0, 0] });
  });
});
