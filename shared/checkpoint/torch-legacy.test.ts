import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bool,
  code,
  dict,
  integer,
  orderedDict,
  type PickleCode,
  pickle,
  storageId,
  tensor,
  text,
  tuple,
  uint64,
} from "../../test/pickle-code.js";
import { legacyHead, writeTorchLegacy } from "../../test/torch-files.js";
import { openCheckpoint } from "./open-checkpoint.js";

const shorts = (...values: readonly number[]): PickleCode =>
  code(uint64(values.length), new Uint8Array(Int16Array.from(values).buffer));

describe("legacy torch checkpoints", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "torch-legacy-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  const path = () => join(folder, "a.pt");
  const values = async () => {
    const checkpoint = await openCheckpoint(path());
    const all: Record<string, number[]> = {};
    for (const [name, stored] of checkpoint.tensors) all[name] = [...(await stored.read())];
    await checkpoint.close();
    return all;
  };
  const read = async (...parts: readonly PickleCode[]) => {
    await writeFile(path(), code(...parts));
    return await values();
  };

  const view = (key: string, start: number, elements: number) =>
    tuple(text(key), integer(start), integer(elements));
  const two = orderedDict([
    ["a", tensor(storageId("ShortStorage", "one", 3), 0, [3], [1])],
    ["b", tensor(storageId("ShortStorage", "two", 2), 0, [2], [1])],
  ]);

  it("finds storages in the order of the key list, not of the tensors", async () => {
    expect(await read(legacyHead(two, ["two", "one"]), shorts(4, 5), shorts(1, 2, 3))).toEqual({
      a: [1, 2, 3],
      b: [4, 5],
    });
  });

  it("reads views of a storage", async () => {
    const object = orderedDict([
      ["whole", tensor(storageId("ShortStorage", "r", 6), 0, [6], [1])],
      ["part", tensor(storageId("ShortStorage", "r", 6, view("v", 2, 3)), 1, [2], [1])],
    ]);
    expect(await read(legacyHead(object, ["r"]), shorts(1, 2, 3, 4, 5, 6))).toEqual({
      whole: [1, 2, 3, 4, 5, 6],
      part: [4, 5],
    });
    const beyond = orderedDict([
      ["part", tensor(storageId("ShortStorage", "r", 6, view("v", 2, 3)), 1, [3], [1])],
    ]);
    await expect(read(legacyHead(beyond, ["r"]), shorts(1, 2, 3, 4, 5, 6))).rejects.toThrow(
      /tensor part reaches beyond its storage.*3 elements/,
    );
  });

  it("reads a head of many megabytes", async () => {
    const log = code("](", "K\x07".repeat(1_500_000), "e");
    const object = dict([
      ["log", log],
      ["state_dict", two],
    ]);
    expect(await read(legacyHead(object, ["one", "two"]), shorts(1, 2, 3), shorts(4, 5))).toEqual({
      a: [1, 2, 3],
      b: [4, 5],
    });
  });

  it("passes over storages of types it does not read, to reach those behind them", async () => {
    const object = dict([
      ["noise", tensor(storageId("ComplexDoubleStorage", "c", 2), 0, [2], [1])],
      ["model", two],
    ]);
    const complex = code(uint64(2), new Uint8Array(32));
    expect(
      await read(legacyHead(object, ["c", "one", "two"]), complex, shorts(1, 2, 3), shorts(4, 5)),
    ).toEqual({ a: [1, 2, 3], b: [4, 5] });
  });

  it("names the tensor that lies behind the end of a truncated file", async () => {
    const head = legacyHead(two, ["one", "two"]);
    for (const cut of [1, 4, 5, 11, 12]) {
      const whole = code(head, shorts(1, 2, 3), shorts(4, 5));
      await expect(read(whole.subarray(0, whole.byteLength - cut)), `${cut}`).rejects.toThrow(
        /tensor b \[2\] lies beyond the end of the file.*truncated/,
      );
    }
    await expect(read(head)).rejects.toThrow(/tensor a \[3\] lies beyond the end/);
  });

  it("refuses a file that is truncated where no weight is affected", async () => {
    const object = dict([
      ["model", orderedDict([["a", tensor(storageId("ShortStorage", "one", 3), 0, [3], [1])]])],
      ["optimizer", tensor(storageId("ShortStorage", "two", 2), 0, [2], [1])],
    ]);
    await expect(read(legacyHead(object, ["one", "two"]), shorts(1, 2, 3))).rejects.toThrow(
      /ends within storage two.*truncated/,
    );
  });

  it.each<[string, readonly PickleCode[], RegExp]>([
    ["a big-endian file", [legacyHead(two, ["one", "two"], false)], /saved big-endian/],
    ["another magic number", [pickle(integer(7))], /not one of torch\.save/],
    [
      "another version",
      [pickle(integer(0x1950a86a20f9469cfc6cn)), pickle(integer(1002))],
      /protocol 1002, only 1001/,
    ],
    [
      "a count that is not the tensors'",
      [legacyHead(two, ["one", "two"]), shorts(1, 2)],
      /storage one has 2 elements, its tensors expect 3/,
    ],
    ["a negative count", [legacyHead(two, ["one"]), uint64(2n ** 64n - 1n)], /storage one has -1 elements/],
    [
      "a key no tensor has",
      [legacyHead(two, ["one", "x"]), shorts(1, 2, 3)],
      /storage x belongs to no tensor/,
    ],
    ["a key listed twice", [legacyHead(two, ["one", "one"])], /no list of different names/],
    [
      "a storage that is not listed",
      [legacyHead(two, ["one"]), shorts(1, 2, 3)],
      /tensor b \[2\].*key two, which the file lacks/,
    ],
    [
      "a key list that is none",
      [
        pickle(integer(0x1950a86a20f9469cfc6cn)),
        pickle(integer(1001)),
        pickle(dict([["little_endian", bool(true)]])),
        pickle(two),
        pickle(two),
      ],
      /list of storages is no list/,
    ],
  ])("refuses %s", async (_, parts, message) => {
    await expect(read(...parts)).rejects.toThrow(message);
  });

  it("reads a written file of every layout", async () => {
    const fill = (chunk: Float32Array, offset: number) => {
      for (let i = 0; i < chunk.length; i++) chunk[i] = offset + i;
    };
    await writeTorchLegacy(path(), [
      { name: "half", dtype: "float16", shape: [2, 2], fill },
      {
        name: "turned",
        dtype: "float64",
        shape: [2, 2],
        view: { strides: [1, 2], offset: 1, elements: 5 },
        fill,
      },
    ]);
    expect(await values()).toEqual({ half: [0, 1, 2, 3], turned: [1, 3, 2, 4] });
  });
});
