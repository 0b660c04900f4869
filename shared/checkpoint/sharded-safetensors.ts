/**
 * Safetensors in several files: `*.safetensors.index.json` maps every tensor's name to the file beside it that holds it.
 * Source: huggingface_hub, split_torch_state_dict_into_shards.
 */
import { dirname, join } from "node:path";
import { InputError } from "../errors.js";
import { PositionedFile } from "./positioned-file.js";
import { safetensorsHeaderLength, safetensorsTensors } from "./safetensors-file.js";
import type { StoredTensor } from "./stored-tensor.js";

/** Largest index that is read, in bytes. */
export const maxIndexBytes = 32 * 2 ** 20;

/** Shards opened at a time; the largest public models have fewer than 200. */
const maxShards = 1000;

const weightMap = (text: string, source: string): Map<string, string> => {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`${source}: is no JSON, so no index of shards; the file is damaged`, { cause });
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new InputError(
      `${source}: is JSON without a weight_map; name the checkpoint or its *.safetensors.index.json`,
    );
  }
  const files = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !/^[^/\\]+$/.test(shard) || shard === "." || shard === "..") {
      throw new InputError(
        `${source}: puts tensor ${name} into ${JSON.stringify(shard)}; a shard is a file beside its index, without a path`,
      );
    }
    files.set(name, shard);
  }
  return files;
};

/** An opened set of shards. */
export interface Shards {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** In the order of the index. */
  readonly files: readonly PositionedFile[];
}

/**
 * Opens every shard of an index.
 * @param index the index file; read here, closed by the caller
 * @throws InputError if a shard or a tensor in it is missing, or two shards hold a tensor of one name; shards opened until
 *   then are closed
 */
export async function openShards(index: PositionedFile): Promise<Shards> {
  const source = index.path;
  if (index.size > maxIndexBytes) {
    throw new InputError(
      `${source}: has ${index.size} bytes, an index of shards has at most ${maxIndexBytes}`,
    );
  }
  const places = weightMap(new TextDecoder().decode(await index.read(0, index.size, "the index")), source);
  const names = [...new Set(places.values())];
  if (names.length > maxShards)
    throw new InputError(`${source}: names ${names.length} shards, at most ${maxShards} are read`);
  const files: PositionedFile[] = [];
  try {
    const tensors = new Map<string, StoredTensor>();
    const shardOf = new Map<string, string>();
    for (const shard of names) {
      const file = await openShard(join(dirname(source), shard), source);
      files.push(file);
      const headerBytes = await safetensorsHeaderLength(file);
      if (headerBytes === undefined)
        throw new InputError(`${file.path}: is no safetensors file, or damaged (shard of ${source})`);
      for (const [name, tensor] of await safetensorsTensors(file, headerBytes)) {
        const other = shardOf.get(name);
        if (other !== undefined)
          throw new InputError(`${source}: tensor ${name} is in ${other} and in ${shard}; keep one`);
        shardOf.set(name, shard);
        tensors.set(name, tensor);
      }
    }
    for (const [name, shard] of places) {
      if (shardOf.get(name) !== shard) {
        throw new InputError(
          `${source}: tensor ${name} is not in its shard ${shard}; download the shards again`,
        );
      }
    }
    return { tensors, files };
  } catch (thrown) {
    await Promise.all(files.map((file) => file.close()));
    throw thrown;
  }
}

const openShard = async (path: string, source: string): Promise<PositionedFile> => {
  try {
    return await PositionedFile.open(path);
  } catch (thrown) {
    if (!(thrown instanceof InputError)) throw thrown;
    throw new InputError(`${thrown.message}; it is a shard of ${source}, download it too`, { cause: thrown });
  }
};
