/**
 * torch.save's zip form: `<root>/data.pkl`, one stored entry `<root>/data/<key>` a storage, `<root>/byteorder` in newer ones.
 * Source: torch/serialization.py, _save and _load.
 */
import { InputError } from "../errors.js";
import { maxPickleBytes, parsePickle } from "./parse-pickle.js";
import type { PositionedFile } from "./positioned-file.js";
import { elementBytes } from "./stored-values.js";
import type { TorchFile } from "./torch-file.js";
import { ZipDirectory } from "./zip-directory.js";

const pickleName = "data.pkl";

/** Root folder of the archive, with its slash; "" if the pickle lies at the top. */
const rootOf = (directory: ZipDirectory, source: string): string => {
  const pickles = [...directory.entries.keys()].filter((name) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined) {
    throw new InputError(
      `${source}: is a zip file without data.pkl, so no PyTorch checkpoint; name the checkpoint file itself`,
    );
  }
  if (pickles.length > 1) {
    throw new InputError(
      `${source}: holds several checkpoints (${pickles.join(", ")}); unpack it and name one`,
    );
  }
  return pickle.slice(0, -pickleName.length);
};

/**
 * Opens the zip form. Only the directory and the pickle are read.
 * @throws InputError if it is damaged, big-endian, TorchScript, or its pickle is refused
 */
export async function openTorchZip(file: PositionedFile): Promise<TorchFile> {
  const source = file.path;
  const directory = await ZipDirectory.read(file);
  const root = rootOf(directory, source);
  if (directory.entries.has(`${root}constants.pkl`)) {
    throw new InputError(
      `${source}: is a TorchScript program, not a checkpoint; save its state_dict() with torch.save`,
    );
  }
  const byteOrder = directory.entries.get(`${root}byteorder`);
  if (byteOrder !== undefined) {
    const order = new TextDecoder().decode(await directory.readSmall(byteOrder, 64)).trim();
    if (order !== "little") {
      throw new InputError(
        `${source}: its byte order is "${order}", only little is read; save it on a little-endian machine`,
      );
    }
  }
  const pickle = await directory.readSmall(directory.entries.get(root + pickleName)!, maxPickleBytes);
  return {
    object: parsePickle(pickle, 0, source).value,
    async locate({ key, elements }, dtype, subject) {
      const entry = directory.entries.get(`${root}data/${key}`);
      if (entry === undefined) {
        throw new InputError(
          `${subject} has its storage in ${root}data/${key}, which the file lacks; copy it again`,
        );
      }
      const bytes = elements * elementBytes[dtype];
      if (entry.method === 0 && entry.bytes !== bytes) {
        throw new InputError(
          `${subject} has a storage of ${elements} ${dtype} (${bytes} bytes), ${entry.name} has ${entry.bytes} bytes; the file is damaged`,
        );
      }
      return { file, position: await directory.dataPosition(entry), elements };
    },
    requireWhole() {
      // The directory stands at the end: a zip that could be opened has one.
    },
  };
}
