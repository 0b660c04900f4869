import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { writeSafetensors } from "../../test/safetensors-files.js";
import { InputError } from "../errors.js";
import { PositionedFile } from "./positioned-file.js";
import { openShards } from "./sharded-safetensors.js";

const floats = (...values: readonly number[]) => ({
  dtype: "F32",
  shape: [values.length],
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

describe("openShards", () => {
  const folders: string[] = [];
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sharded-"));
    folders.push(folder);
    await writeSafetensors(join(folder, "one.safetensors"), { a: floats(1, 2), b: floats(3) });
    await writeSafetensors(join(folder, "two.safetensors"), { c: floats(4) });
  });
  afterAll(async () => {
    for (const path of folders) await rm(path, { recursive: true });
  });

  const open = async (weightMap: unknown) => {
    await writeFile(join(folder, "index.json"), JSON.stringify({ metadata: {}, weight_map: weightMap }));
    const index = await PositionedFile.open(join(folder, "index.json"));
    try {
      return await openShards(index);
    } finally {
      await index.close();
    }
  };

  it("reads tensors from all shards, in the order of the index", async () => {
    const { tensors, files } = await open({
      c: "two.safetensors",
      a: "one.safetensors",
      b: "one.safetensors",
    });
    expect(files.map((file) => file.path)).toEqual([
      join(folder, "two.safetensors"),
      join(folder, "one.safetensors"),
    ]);
    expect([...tensors.keys()].sort()).toEqual(["a", "b", "c"]);
    expect([...(await tensors.get("a")!.read())]).toEqual([1, 2]);
    expect([...(await tensors.get("c")!.read())]).toEqual([4]);
    for (const file of files) await file.close();
  });

  it("keeps a tensor the index forgot, to be named as unused", async () => {
    const { tensors, files } = await open({ a: "one.safetensors" });
    expect([...tensors.keys()]).toEqual(["a", "b"]);
    for (const file of files) await file.close();
  });

  it.each([
    [
      "a missing shard",
      { a: "one.safetensors", c: "three.safetensors" },
      /three\.safetensors: cannot be opened.*shard of .*index\.json/,
    ],
    [
      "a tensor its shard lacks",
      { a: "one.safetensors", d: "two.safetensors" },
      /tensor d is not in its shard two\.safetensors/,
    ],
    [
      "a tensor in another shard",
      { a: "two.safetensors", c: "one.safetensors" },
      /tensor a is not in its shard two\.safetensors/,
    ],
    ["a path upwards", { a: "../one.safetensors" }, /tensor a into "\.\.\/one\.safetensors"/],
    ["an absolute path", { a: "/etc/passwd" }, /tensor a into "\/etc\/passwd"/],
    ["a path with backslashes", { a: "..\\one.safetensors" }, /tensor a into/],
    ["the folder itself", { a: ".." }, /tensor a into "\.\."/],
    ["a shard that is no text", { a: 7 }, /tensor a into 7/],
    ["no map", undefined, /without a weight_map/],
    ["a list for a map", ["one.safetensors"], /without a weight_map/],
  ])("refuses %s", async (_, weightMap, message) => {
    await expect(open(weightMap)).rejects.toThrow(message);
    await expect(open(weightMap)).rejects.toThrow(InputError);
  });

  it("refuses a shard that is no safetensors file", async () => {
    await writeFile(join(folder, "two.safetensors"), "PK\x03\x04 a zip in disguise");
    await expect(open({ c: "two.safetensors" })).rejects.toThrow(
      /two\.safetensors: is no safetensors file.*shard of/,
    );
  });

  it("refuses a tensor that two shards hold", async () => {
    await writeSafetensors(join(folder, "two.safetensors"), { a: floats(9), c: floats(4) });
    const both = open({ a: "one.safetensors", c: "two.safetensors" });
    await expect(both).rejects.toThrow(/tensor a is in one\.safetensors and in two\.safetensors/);
  });
});
