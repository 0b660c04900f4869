import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointFile } from "./checkpoint-folder.js";

describe("checkpointFile", () => {
  let root: string;
  let count = 0;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "checkpoint-folder-"));
  });
  afterAll(async () => {
    await rm(root, { recursive: true });
  });

  const folder = async (...names: readonly string[]): Promise<string> => {
    const path = join(root, String(count++));
    await mkdir(path);
    for (const name of names) await writeFile(join(path, name), "");
    return path;
  };
  const chosen = async (...names: readonly string[]): Promise<string> => {
    const path = await folder(...names);
    return (await checkpointFile(path)).slice(path.length + 1);
  };

  it("leaves a file what it is", async () => {
    const path = join(await folder("x"), "x");
    expect(await checkpointFile(path)).toBe(path);
  });

  it("follows the names diffusers and transformers give", async () => {
    const plain = "diffusion_pytorch_model.safetensors";
    expect(await chosen("config.json", plain)).toBe(plain);
    expect(await chosen(plain, "diffusion_pytorch_model.fp16.safetensors", "a.safetensors")).toBe(plain);
    expect(await chosen("model.safetensors", "a.safetensors")).toBe("model.safetensors");
    expect(await chosen("model.fp16.safetensors", "a.safetensors")).toBe("model.fp16.safetensors");
    expect(await chosen("only.safetensors", "readme.md")).toBe("only.safetensors");
  });

  it("takes the index before its shards", async () => {
    const shards = ["-00001-of-00002", "-00002-of-00002"].map(
      (part) => `diffusion_pytorch_model${part}.safetensors`,
    );
    const index = "diffusion_pytorch_model.safetensors.index.json";
    expect(await chosen(index, ...shards)).toBe(index);
    expect(await chosen("a.safetensors.index.json", "a-1.safetensors", "a-2.safetensors")).toBe(
      "a.safetensors.index.json",
    );
  });

  it("lists what it cannot choose between", async () => {
    await expect(chosen("b.safetensors", "a.safetensors")).rejects.toThrow(
      /could mean a\.safetensors, b\.safetensors; name one/,
    );
    await expect(
      chosen("diffusion_pytorch_model.a.safetensors", "diffusion_pytorch_model.b.safetensors"),
    ).rejects.toThrow(/model\.a\.safetensors, .*model\.b\.safetensors/);
    await expect(chosen("model.safetensors", "diffusion_pytorch_model.safetensors")).rejects.toThrow(
      /could mean/,
    );
  });

  it("says where to look instead", async () => {
    await expect(chosen("diffusion_pytorch_model.bin")).rejects.toThrow(
      /no \.safetensors.*diffusion_pytorch_model\.bin/,
    );
    const pipeline = await folder("model_index.json");
    await mkdir(join(pipeline, "unet"));
    await expect(checkpointFile(pipeline)).rejects.toThrow(join(pipeline, "unet"));
    await expect(checkpointFile(join(root, "none"))).rejects.toThrow(/none: cannot be opened.*ENOENT/);
  });
});
