/** Finding the pictures a user means: files, folders and globs, with the place each takes under the output folder. */
import type { Dirent, Stats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";
import { glob } from "tinyglobby";
import { DeqfleetError, InputError } from "../errors.js";
import { outputName } from "./encode.js";
import {
  formatOfPath,
  isMeasurementPath,
  measurementExtension,
  pictureExtensions,
} from "./picture-format.js";

/** One input file. */
export interface PictureSource {
  /** Absolute path of the file. */
  readonly path: string;
  /**
   * Path under the output folder, with forward slashes: a file's name, a folder's file relative to that folder, a glob's
   * match relative to the glob's fixed leading folders. See `outputName` for the name finally written.
   */
  readonly relativePath: string;
}

/** What to look for. */
export interface DiscoverOptions {
  /** Also take `.safetensors` measurements. Default false. */
  readonly measurements?: boolean;
  /** A folder to leave out wherever folders or globs reach into it: the output folder. Default none. */
  readonly exclude?: string | undefined;
  /** Folder that relative inputs start from. Default the current folder. */
  readonly cwd?: string;
}

interface Search {
  readonly cwd: string;
  readonly exclude: string | undefined;
  readonly wanted: (path: string) => boolean;
  /** Names of what is looked for, for messages. */
  readonly kinds: string;
}

const statOf = async (path: string): Promise<Stats | undefined> => {
  try {
    return await stat(path);
  } catch {
    // Missing, or a link to nothing: what that means is the caller's affair.
    return undefined;
  }
};

const isInside = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

const isExcluded = (path: string, { exclude }: Search): boolean =>
  exclude !== undefined && isInside(path, exclude);

const entriesOf = async (folder: string): Promise<Dirent[]> => {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new InputError(
      `folder ${folder} cannot be listed (${DeqfleetError.messageOf(cause)}); make it readable or leave it out`,
      { cause },
    );
  }
};

/** Wanted files under `folder`, following links; `above` holds the real paths on the way down, so that loops end. */
const walk = async (folder: string, search: Search, above: readonly string[] = []): Promise<string[]> => {
  const real = await realpath(folder);
  if (above.includes(real)) return [];
  const found: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".") || isExcluded(path, search)) continue;
    const isFolder = entry.isSymbolicLink()
      ? ((await statOf(path))?.isDirectory() ?? false)
      : entry.isDirectory();
    if (isFolder) found.push(...(await walk(path, search, [...above, real])));
    else if (search.wanted(path)) found.push(path);
  }
  return found;
};

const fromFile = (input: string, path: string, { wanted, kinds }: Search): PictureSource[] => {
  if (!wanted(path)) throw new InputError(`${input} is not a picture deqfleet reads here (${kinds})`);
  return [{ path, relativePath: basename(path) }];
};

const relativeTo = (base: string, paths: readonly string[]): PictureSource[] =>
  paths.map((path) => ({ path, relativePath: relative(base, path).split(sep).join("/") }));

const excludedNote = ({ exclude }: Search): string =>
  exclude === undefined ? "" : `; the output folder ${exclude} is left out`;

const fromFolder = async (input: string, folder: string, search: Search): Promise<PictureSource[]> => {
  const paths = isExcluded(folder, search) ? [] : await walk(folder, search);
  if (paths.length === 0) {
    throw new InputError(`folder ${input} holds no picture (${search.kinds})${excludedNote(search)}`);
  }
  return relativeTo(folder, paths);
};

/** The folder a glob starts from and the rest of it: everything up to the last slash before the first wildcard is fixed. */
const splitGlob = (pattern: string, cwd: string): { base: string; rest: string } => {
  const wildcard = pattern.search(/(?<!\\)[*?[{(]/);
  const slash = pattern.lastIndexOf("/", wildcard);
  const fixed = pattern.slice(0, slash + 1).replace(/\\(.)/g, "$1");
  return { base: resolve(cwd, fixed), rest: pattern.slice(slash + 1) };
};

const isGlob = (input: string): boolean => /(?<!\\)[*?[{(]/.test(input);

const fromGlob = async (input: string, search: Search): Promise<PictureSource[]> => {
  const { base, rest } = splitGlob(input, search.cwd);
  const matches = await glob(rest, { cwd: base, absolute: true, dot: false, expandDirectories: false });
  const paths = matches
    .map((path) => resolve(path))
    .filter((path) => search.wanted(path) && !isExcluded(path, search));
  if (paths.length === 0) {
    throw new InputError(
      `${input} is no existing file, and as a glob it matches no picture (${search.kinds})${excludedNote(search)}`,
    );
  }
  return relativeTo(base, paths);
};

const fromInput = async (input: string, search: Search): Promise<PictureSource[]> => {
  const path = resolve(search.cwd, input);
  // A name that exists is meant literally, even when it contains brackets.
  const found = await statOf(path);
  if (found?.isDirectory()) return fromFolder(input, path, search);
  if (found !== undefined) return fromFile(input, path, search);
  if (isGlob(input)) return fromGlob(input, search);
  throw new InputError(`${input} does not exist; give picture files, folders or globs`);
};

/**
 * Finds the pictures behind files, folders (with their sub-folders) and globs. Extensions count in any case; hidden files
 * and folders are passed over unless named. The result is sorted by relative path (code units), and a file reached by
 * several inputs appears once, as the first of them placed it.
 * @throws InputError if an input is missing, matches nothing, is no picture or cannot be listed, or if two files would be
 *   written to the same output
 */
export async function discoverPictures(
  inputs: readonly string[],
  { measurements = false, exclude, cwd = process.cwd() }: DiscoverOptions = {},
): Promise<PictureSource[]> {
  const search: Search = {
    cwd,
    exclude: exclude === undefined ? undefined : resolve(cwd, exclude),
    wanted: (path) => formatOfPath(path) !== undefined || (measurements && isMeasurementPath(path)),
    kinds: [...pictureExtensions, ...(measurements ? [measurementExtension] : [])].join(" "),
  };
  if (inputs.length === 0) throw new InputError("no input given; give picture files, folders or globs");
  const byPath = new Map<string, PictureSource>();
  for (const input of inputs) {
    for (const source of await fromInput(input, search)) {
      if (!byPath.has(source.path)) byPath.set(source.path, source);
    }
  }
  const sources = [...byPath.values()].sort((a, b) =>
    a.relativePath < b.relativePath ? -1 : a.relativePath > b.relativePath ? 1 : a.path < b.path ? -1 : 1,
  );
  const byOutput = new Map<string, PictureSource>();
  for (const source of sources) {
    const output = outputName(source.relativePath);
    const other = byOutput.get(output);
    if (other !== undefined) {
      throw new InputError(
        `${other.path} and ${source.path} would both be written to ${output}; rename one or restore them into different folders`,
      );
    }
    byOutput.set(output, source);
  }
  return sources;
}
