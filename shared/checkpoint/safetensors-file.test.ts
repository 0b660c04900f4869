import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors, writeSafetensorsText } from "../../test/safetensors-files.js";
import { storedBytes } from "../../test/torch-files.js";
import type { StoredDtype } from "./checkpoint.js";
import { PositionedFile } from "./positioned-file.js";
import { safetensorsHeaderLength, safetensorsTensors } from "./safetensors-file.js";

describe("safetensorsTensors", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "safetensors-file-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  const path = () => join(folder, "a.safetensors");
  const read = async () => {
    const file = await PositionedFile.open(path());
    try {
      const length = await safetensorsHeaderLength(file);
      if (length === undefined) return undefined;
      const tensors = await safetensorsTensors(file, length);
      return await Promise.all(
        [...tensors.values()].map(async (t) => [t.name, t.dtype, t.shape, [...(await t.read())]]),
      );
    } finally {
      await file.close();
    }
  };
  const withHeader = async (header: unknown, body = new Uint8Array(8)) => {
    await writeSafetensorsText(path(), typeof header === "string" ? header : JSON.stringify(header), body);
    return await read();
  };

  it("reads every element type", async () => {
    const types: readonly (readonly [string, StoredDtype])[] = [
      ["F64", "float64"],
      ["F32", "float32"],
      ["F16", "float16"],
      ["BF16", "bfloat16"],
      ["I64", "int64"],
      ["I32", "int32"],
      ["I16", "int16"],
      ["I8", "int8"],
      ["U8", "uint8"],
    ];
    const values = Float32Array.of(0, 1, 2, 96, 5, 7);
    await writeSafetensors(
      path(),
      Object.fromEntries(
        types.map(([dtype, stored]) => [dtype, { dtype, shape: [3, 2], bytes: storedBytes(stored, values) }]),
      ),
    );
    expect(await read()).toEqual(types.map(([name, dtype]) => [name, dtype, [3, 2], [...values]]));
    await writeSafetensors(path(), { flag: { dtype: "BOOL", shape: [2], bytes: Uint8Array.of(1, 0) } });
    expect(await read()).toEqual([["flag", "bool", [2], [1, 0]]]);
  });

  it("reads scalars and empty tensors", async () => {
    const header = {
      __metadata__: { format: "pt" },
      s: { dtype: "F32", shape: [], data_offsets: [0, 4] },
      e: { dtype: "F32", shape: [0, 3], data_offsets: [4, 4] },
    };
    expect(await withHeader(header, new Uint8Array(Float32Array.of(2.5).buffer))).toEqual([
      ["s", "float32", [], [2.5]],
      ["e", "float32", [0, 3], []],
    ]);
  });

  it("reads a tensor beyond 4 GiB", async () => {
    const begin = 5 * 2 ** 30;
    const header = {
      hole: { dtype: "U8", shape: [begin], data_offsets: [0, begin] },
      far: { dtype: "F32", shape: [2], data_offsets: [begin, begin + 8] },
    };
    const text = JSON.stringify(header);
    await writeSafetensorsText(path(), text, new Uint8Array(0));
    const handle = await open(path(), "r+");
    await handle.write(new Uint8Array(Float32Array.of(6, 7).buffer), 0, 8, 8 + text.length + begin);
    await handle.close();
    const file = await PositionedFile.open(path());
    const tensors = await safetensorsTensors(file, text.length);
    expect([...(await tensors.get("far")!.read())]).toEqual([6, 7]);
    await file.close();
  });

  it("is not taken in by other files", async () => {
    await writeSafetensorsText(path(), "[]", new Uint8Array(8));
    expect(await read()).toBeUndefined();
  });

  it.each([
    [
      "an element type that is not read",
      { w: { dtype: "F8_E4M3", shape: [8], data_offsets: [0, 8] } },
      /tensor w \[8\] has the unsupported element type F8_E4M3; read are F64/,
    ],
    [
      "a type named like an inherited property",
      { w: { dtype: "constructor", shape: [8], data_offsets: [0, 8] } },
      /unsupported element type constructor/,
    ],
    [
      "a tensor behind the end",
      { w: { dtype: "F32", shape: [3], data_offsets: [0, 12] } },
      /tensor w F32 \[3\] needs 12 bytes, has 8/,
    ],
    [
      "a shape that does not fit its range",
      { w: { dtype: "F32", shape: [3], data_offsets: [0, 8] } },
      /tensor w F32 \[3\] needs 12 bytes, has 8/,
    ],
    [
      "a range that runs backwards",
      { w: { dtype: "F32", shape: [1], data_offsets: [8, 4] } },
      /tensor w F32 \[1\] needs 4 bytes/,
    ],
    [
      "a negative size",
      { w: { dtype: "F32", shape: [-1, -2], data_offsets: [0, 8] } },
      /tensor w has a malformed/,
    ],
    [
      "a product beyond 2^53",
      { w: { dtype: "U8", shape: [2 ** 50, 2 ** 50], data_offsets: [0, 8] } },
      /tensor w U8/,
    ],
    ["a missing range", { w: { dtype: "F32", shape: [2] } }, /tensor w has a malformed/],
    ["a header that is no JSON", "{{", /header is not JSON/],
  ])("refuses %s, by name", async (_, header, message) => {
    await expect(withHeader(header)).rejects.toThrow(message);
    await expect(withHeader(header)).rejects.toThrow(/a\.safetensors: /);
  });
});
