/** The files an import writes: the model, its card, and the weights' file where there is one. */
import { readdirSync, rmSync } from "node:fs";
import { realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "../shared/errors.js";

/** Absolute paths of what an import may write. */
export interface ModelFiles {
  readonly model: string;
  /** The engine looks for it under the model's name. */
  readonly card: string;
  /** Weights kept outside the model. */
  readonly data: string;
}

const exists = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined)) !== undefined;

/**
 * The files of a model to be written.
 * @throws InputError if the name does not end in .onnx: its card would not be found
 */
export function modelFiles(out: string, cwd: string): ModelFiles {
  const model = resolve(cwd, out);
  if (!/.\.onnx$/.test(basename(model))) {
    throw new InputError(`--out ${out}: give a name that ends in .onnx`);
  }
  return { model, card: model.replace(/\.onnx$/, ".json"), data: `${model}.data` };
}

/**
 * Refuses to write over what should be kept.
 * @param sources files the import reads; not even `force` overwrites those
 * @throws InputError naming the file in the way
 */
export async function refuseExisting(
  files: ModelFiles,
  { force, sources }: { readonly force: boolean; readonly sources: readonly string[] },
): Promise<void> {
  const read = await Promise.all(sources.map((path) => realpath(path).catch(() => path)));
  for (const path of [files.model, files.card, files.data]) {
    if (!(await exists(path))) continue;
    if (read.includes(await realpath(path))) {
      throw new InputError(`${path} would be written over, but is read; choose another --out`);
    }
    if (!force)
      throw new InputError(`${path} is there already; overwrite it with --force, or choose another --out`);
  }
}

/** Removes files of a model whose card could not be written. */
export async function removeModel({ model, data }: ModelFiles): Promise<void> {
  await rm(model, { force: true });
  await rm(data, { force: true });
}

/** Removes the unfinished files of this process at once: it is about to be ended. */
export function removeUnfinished({ model }: ModelFiles): void {
  const folder = dirname(model);
  try {
    for (const name of readdirSync(folder)) {
      if (name.startsWith(`.deqfleet-${process.pid}-`)) rmSync(join(folder, name), { force: true });
    }
  } catch {
    // A folder that is not there holds nothing.
  }
}
