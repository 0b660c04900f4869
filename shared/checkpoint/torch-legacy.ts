/**
 * torch.save's older form: four pickles (magic number, protocol version, system, object), a pickled list of storage keys,
 * then in that order each storage's number of elements as int64 and its bytes.
 * Source: torch/serialization.py, _legacy_save and _legacy_load.
 */
import { InputError } from "../errors.js";
import { maxPickleBytes, type ParsedPickle, parsePickle } from "./parse-pickle.js";
import { PickleEndsEarly } from "./pickle-cursor.js";
import { PickleDict, PickleList, type PickleValue, type StorageReference } from "./pickle-values.js";
import type { PositionedFile } from "./positioned-file.js";
import { elementBytes } from "./stored-values.js";
import type { TorchFile } from "./torch-file.js";

const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;
const firstWindow = 2 ** 20;

/** Parses one pickle after the other from the head of a file, reading more of it as they turn out longer. */
class PickleSequence {
  readonly #file: PositionedFile;
  #window: Uint8Array;
  position = 0;

  private constructor(file: PositionedFile, window: Uint8Array) {
    this.#file = file;
    this.#window = window;
  }

  static async start(file: PositionedFile): Promise<PickleSequence> {
    return new PickleSequence(file, await file.read(0, Math.min(file.size, firstWindow), "the pickled head"));
  }

  async next(): Promise<ParsedPickle> {
    for (;;) {
      try {
        const pickle = parsePickle(this.#window, this.position, this.#file.path);
        this.position = pickle.end;
        return pickle;
      } catch (thrown) {
        const length = Math.min(this.#file.size, maxPickleBytes, this.#window.byteLength * 4);
        if (!(thrown instanceof PickleEndsEarly) || this.#window.byteLength === this.#file.size) throw thrown;
        if (length <= this.#window.byteLength) {
          throw new InputError(
            `${this.#file.path}: its pickles are longer than ${maxPickleBytes} bytes; it is no checkpoint`,
          );
        }
        this.#window = await this.#file.read(0, length, "the pickled head");
      }
    }
  }
}

const requireSystem = (value: PickleValue, source: string): void => {
  const little = value instanceof PickleDict ? value.entries.get("little_endian") : undefined;
  if (little !== true) {
    throw new InputError(
      `${source}: was saved big-endian, only little-endian is read; save it on a little-endian machine`,
    );
  }
};

const keysOf = (value: PickleValue, source: string): string[] => {
  const keys = value instanceof PickleList ? value.items : [];
  const texts = keys.filter((key) => typeof key === "string");
  if (!(value instanceof PickleList) || texts.length < keys.length || new Set(texts).size < texts.length) {
    throw new InputError(
      `${source}: its list of storages is no list of different names; the file is damaged`,
    );
  }
  return texts;
};

const widthOf = ({ dtype }: StorageReference): number =>
  typeof dtype === "string" ? elementBytes[dtype] : dtype.bytes;

/** Positions of the storages' bytes; those that do not lie in the file whole are left out. */
const storagePositions = async (
  file: PositionedFile,
  start: number,
  keys: readonly string[],
  storages: ReadonlyMap<string, StorageReference>,
): Promise<Map<string, number>> => {
  const positions = new Map<string, number>();
  let at = start;
  for (const key of keys) {
    const storage = storages.get(key);
    if (storage === undefined) {
      throw new InputError(
        `${file.path}: storage ${key} belongs to no tensor, so its size is unknown; the file is damaged`,
      );
    }
    if (at + 8 > file.size) break;
    const count = new DataView((await file.read(at, 8, `storage ${key}`)).buffer).getBigInt64(0, true);
    if (count !== BigInt(storage.elements)) {
      throw new InputError(
        `${file.path}: storage ${key} has ${count} elements, its tensors expect ${storage.elements}; the file is damaged`,
      );
    }
    const end = at + 8 + storage.elements * widthOf(storage);
    if (end > file.size) break;
    positions.set(key, at + 8);
    at = end;
  }
  return positions;
};

/**
 * Opens the legacy form. Only the pickles and the storages' lengths are read.
 * @throws InputError if it is damaged, big-endian, no torch.save file, or its pickle is refused
 */
export async function openTorchLegacy(file: PositionedFile): Promise<TorchFile> {
  const source = file.path;
  const pickles = await PickleSequence.start(file);
  if ((await pickles.next()).value !== magicNumber) {
    throw new InputError(
      `${source}: is a pickle, but not one of torch.save; save the weights with torch.save or as safetensors`,
    );
  }
  const { value: version } = await pickles.next();
  if (version !== protocolVersion) {
    throw new InputError(
      `${source}: has torch.save protocol ${String(version)}, only ${protocolVersion} is read; save it again`,
    );
  }
  requireSystem((await pickles.next()).value, source);
  const { value: object, storages } = await pickles.next();
  const keys = keysOf((await pickles.next()).value, source);
  const positions = await storagePositions(file, pickles.position, keys, storages);
  return {
    object,
    async locate({ key, elements, part }, dtype, subject) {
      const position = positions.get(key);
      if (position === undefined) {
        throw new InputError(
          keys.includes(key)
            ? `${subject} lies beyond the end of the file (${file.size} bytes), which is truncated; copy it again`
            : `${subject} has its storage under the key ${key}, which the file lacks; the file is damaged`,
        );
      }
      if (part === undefined) return { file, position, elements };
      return { file, position: position + part.start * elementBytes[dtype], elements: part.elements };
    },
    requireWhole() {
      if (positions.size < keys.length) {
        throw new InputError(
          `${source}: ends within storage ${keys[positions.size]} (${file.size} bytes); it is truncated, copy it again`,
        );
      }
    },
  };
}
