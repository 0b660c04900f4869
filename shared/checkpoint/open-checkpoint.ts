/** Opens a checkpoint of any container, which is recognised by what is in the file, not by its name. */
import { createHash } from "node:crypto";
import { InputError } from "../errors.js";
import type { Checkpoint, CheckpointFormat, CheckpointTensor } from "./checkpoint.js";
import { checkpointFile } from "./checkpoint-folder.js";
import { PositionedFile } from "./positioned-file.js";
import { safetensorsHeaderLength, safetensorsTensors } from "./safetensors-file.js";
import { openShards } from "./sharded-safetensors.js";
import { chooseWeights, type WeightChoice, weightsOf } from "./state-dict.js";
import { storedTensor, type TorchFile } from "./torch-file.js";
import { openTorchLegacy } from "./torch-legacy.js";
import { openTorchZip } from "./torch-zip.js";

/** What to take from a checkpoint. */
export interface OpenCheckpointOptions {
  /** Trained or averaged weights; by default the averaged ones where the file has them. */
  readonly weights?: WeightChoice;
}

/** Tensors of a container, with what it takes to close and hash it. */
interface OpenedContainer {
  readonly format: CheckpointFormat;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly unwrapped: readonly string[];
  /** Files with tensors. */
  readonly files: readonly PositionedFile[];
}

/** First bytes of a zip's local header. */
const zipMagic = "PK\x03\x04";

/** Every pickle since protocol 2 starts with the opcode PROTO and its protocol. */
const isPickle = (head: string): boolean =>
  head.charCodeAt(0) === 0x80 && head.charCodeAt(1) >= 2 && head.charCodeAt(1) <= 5;

const openTorch = async (
  file: PositionedFile,
  format: CheckpointFormat,
  torch: TorchFile,
  choice: WeightChoice | undefined,
): Promise<OpenedContainer> => {
  const { weights, unwrapped } = weightsOf(torch.object, file.path, choice);
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, reference] of weights) {
    tensors.set(name, await storedTensor(torch, file.path, name, reference));
  }
  torch.requireWhole();
  return { format, tensors, unwrapped, files: [file] };
};

const openSafetensors = (
  stored: ReadonlyMap<string, CheckpointTensor>,
  source: string,
  files: readonly PositionedFile[],
  choice: WeightChoice | undefined,
): OpenedContainer => {
  if (stored.size === 0) throw new InputError(`${source}: holds no tensors`);
  const { weights, unwrapped } = chooseWeights({ model: { weights: stored, unwrapped: [] } }, source, choice);
  const tensors = new Map([...weights].map(([name, tensor]) => [name, renamed(tensor, name)]));
  return { format: "safetensors", tensors, unwrapped, files };
};

const renamed = (tensor: CheckpointTensor, name: string): CheckpointTensor =>
  tensor.name === name
    ? tensor
    : { name, dtype: tensor.dtype, shape: tensor.shape, read: async () => await tensor.read() };

const openContainer = async (
  file: PositionedFile,
  choice: WeightChoice | undefined,
): Promise<OpenedContainer> => {
  const source = file.path;
  if (file.size === 0) throw new InputError(`${source}: is empty`);
  // Before the others: a safetensors file starts with a length, whose bytes may look like anything.
  const headerBytes = await safetensorsHeaderLength(file);
  if (headerBytes !== undefined) {
    return openSafetensors(await safetensorsTensors(file, headerBytes), source, [file], choice);
  }
  const head = Buffer.from(await file.read(0, Math.min(file.size, 64), "the first bytes")).toString("latin1");
  if (head.startsWith(zipMagic)) return await openTorch(file, "torch-zip", await openTorchZip(file), choice);
  if (isPickle(head)) return await openTorch(file, "torch-legacy", await openTorchLegacy(file), choice);
  if (/^\s*\{/.test(head)) {
    const { tensors, files } = await openShards(file);
    try {
      const opened = openSafetensors(tensors, source, files, choice);
      await file.close();
      return opened;
    } catch (thrown) {
      await Promise.all(files.map((shard) => shard.close()));
      throw thrown;
    }
  }
  if (head.startsWith("version https://git-lfs")) {
    throw new InputError(
      `${source}: is a Git LFS pointer in place of the checkpoint; fetch it with git lfs pull`,
    );
  }
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(head)) {
    throw new InputError(
      `${source}: is a web page in place of the checkpoint; the download wants a login, or another address`,
    );
  }
  throw new InputError(
    `${source}: is no PyTorch checkpoint and no safetensors file (it starts with ${JSON.stringify(head.slice(0, 16))})`,
  );
};

/**
 * Opens a checkpoint: a torch.save file (zip or legacy), a safetensors file, an index of shards, or a folder with one of the
 * latter two. Reads directories and headers only; tensors are read when asked. A pickle is parsed, never executed.
 * @param path file or folder
 * @throws InputError if it is none of these, damaged, truncated, holds anything in its pickle that is not allowed, or not the
 *   weights asked for
 */
export async function openCheckpoint(path: string, options: OpenCheckpointOptions = {}): Promise<Checkpoint> {
  const file = await PositionedFile.open(await checkpointFile(path));
  let opened: OpenedContainer;
  try {
    opened = await openContainer(file, options.weights);
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
  const { format, tensors, unwrapped, files } = opened;
  return {
    source: path,
    format,
    tensors,
    unwrapped,
    async sha256() {
      const hash = createHash("sha256");
      for (const part of files) await part.hashInto(hash);
      return hash.digest("hex");
    },
    async close() {
      await Promise.all(files.map((part) => part.close()));
    },
  };
}
