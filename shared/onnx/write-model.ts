/**
 * Writing a model file: its size is known before the first weight is read, so it is streamed, one weight in memory at a
 * time. The bytes go to temporary names in the same folder, are synced, and are renamed at the end, so that the name
 * never shows half a model and a failed or stopped write leaves an earlier model as it was.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, link, mkdir, open, rename, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { writeFailure } from "../pictures/atomic-write.js";
import { syncFolder } from "../sync-folder.js";
import type { GraphContents } from "./graph-contents.js";
import { layoutModel, type Piece, readPending } from "./model-layout.js";

/**
 * Largest model written as one file. A protobuf message holds less than 2 GiB (protobuf documentation, "Proto Limits");
 * ONNX Runtime 1.30 refuses a file of 2^31 - 1 bytes and takes one of 2^31 - 18. The rest is margin.
 */
const largestModel = 2 ** 31 - 2 ** 20;

/** Small parts are gathered up to this size before they are written. */
const gatheredBytes = 1 << 20;

/** How a model is written. */
export interface WriteOptions {
  /** "auto" (default): weights go to `<name>.data` beside the model when it would pass 2 GiB; "always": in any case. */
  readonly externalData?: "auto" | "always";
  /** Largest model that keeps its weights inside under "auto"; bytes, 1 MiB short of 2 GiB by default and at most. */
  readonly inlineLimit?: number;
  /** Stops the write; what was written so far is removed and the signal's reason is thrown. */
  readonly signal?: AbortSignal;
}

/** What was written. */
export interface WrittenModel {
  readonly path: string;
  readonly bytes: number;
  /** The file of weights, where there is one. */
  readonly data?: { readonly path: string; readonly bytes: number };
}

interface Staged {
  readonly temporary: string;
  readonly target: string;
}

const hasCode = (thrown: unknown, ...codes: string[]): boolean =>
  thrown instanceof Error && "code" in thrown && codes.includes(String(thrown.code));

const temporaryIn = (folder: string): string =>
  join(folder, `.deqfleet-${process.pid}-${randomBytes(6).toString("hex")}.tmp`);

/** Runs a file operation; its failure names the path. Failures of weights keep their own error. */
async function onDisk<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    throw writeFailure(path, cause);
  }
}

/** Writes the parts in order, reading each weight when its turn comes. */
async function writePieces(
  handle: FileHandle,
  path: string,
  pieces: readonly Piece[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let gathered: Uint8Array[] = [];
  let gatheredLength = 0;
  const flush = async (): Promise<void> => {
    const bytes = gathered.length === 1 ? gathered[0] : Buffer.concat(gathered);
    gathered = [];
    gatheredLength = 0;
    await onDisk(path, () => handle.writeFile(bytes));
  };
  for (const piece of pieces) {
    signal?.throwIfAborted();
    const bytes = piece instanceof Uint8Array ? piece : await readPending(piece);
    if (gatheredLength > 0 && gatheredLength + bytes.byteLength > gatheredBytes) await flush();
    gathered.push(bytes);
    gatheredLength += bytes.byteLength;
  }
  if (gatheredLength > 0) await flush();
  signal?.throwIfAborted();
  await onDisk(path, () => handle.sync());
}

async function stage(staged: Staged, pieces: readonly Piece[], signal?: AbortSignal): Promise<void> {
  const { temporary, target } = staged;
  const handle = await onDisk(target, () => open(temporary, "wx"));
  try {
    await writePieces(handle, target, pieces, signal);
  } finally {
    await handle.close();
  }
}

/** Keeps the file at `target` under a second name; undefined when there is none. */
async function keepAside(target: string): Promise<string | undefined> {
  const aside = temporaryIn(dirname(target));
  try {
    await link(target, aside);
    return aside;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    // File systems without hard links: the name is gone for the moment between two renames.
    if (!hasCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK")) throw error;
    await rename(target, aside);
    return aside;
  }
}

/** Gives the files their names, weights first; if the model cannot get its name, the earlier weights get theirs back. */
async function publish(model: Staged, data: Staged | undefined): Promise<void> {
  const earlierData = data && (await onDisk(data.target, () => keepAside(data.target)));
  try {
    if (data) await onDisk(data.target, () => rename(data.temporary, data.target));
    await onDisk(model.target, () => rename(model.temporary, model.target));
  } catch (error) {
    if (earlierData) await rename(earlierData, data.target);
    else if (data) await rm(data.target, { force: true });
    throw error;
  }
  if (earlierData) await rm(earlierData, { force: true });
  await onDisk(model.target, () => syncFolder(dirname(model.target)));
}

async function refuseFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw writeFailure(path, Object.assign(new Error("EISDIR"), { code: "EISDIR" }));
}

/** Removes the folders a failed write created, from `folder` up to `top`, as far as they are empty. */
async function removeEmptyFolders(folder: string, top: string): Promise<void> {
  for (let at = folder; at.length >= top.length; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return;
    }
  }
}

/**
 * Writes a graph as an ONNX file, creating parent folders. Weights are read one at a time in the order they were added.
 * When it returns, the files and their names are on disk; when it throws, nothing new is left and files already there are
 * untouched. A data file left by an earlier model that is now written without one stays where it is.
 * @throws FatalError naming the path if the disk is full, the folder not writable or the path blocked
 * @throws InputError whatever reading a weight throws, or a weight that does not fit float16
 * @throws the signal's reason when stopped
 */
export async function writeModel(
  graph: { contents(): GraphContents },
  path: string,
  options: WriteOptions = {},
): Promise<WrittenModel> {
  const { externalData = "auto", inlineLimit = largestModel, signal } = options;
  signal?.throwIfAborted();
  const target = resolve(path);
  const folder = dirname(target);
  const contents = graph.contents();
  const inline = layoutModel(contents);
  const outside = externalData === "always" || inline.modelBytes > Math.min(inlineLimit, largestModel);
  const layout = outside ? layoutModel(contents, `${basename(target)}.data`) : inline;
  const model = { temporary: temporaryIn(folder), target };
  const data =
    layout.data.length === 0 ? undefined : { temporary: temporaryIn(folder), target: `${target}.data` };

  const created = await onDisk(path, () => mkdir(folder, { recursive: true }));
  try {
    for (const file of data ? [data, model] : [model]) await refuseFolder(file.target);
    if (data) await stage(data, layout.data, signal);
    await stage(model, layout.model, signal);
    await publish(model, data);
  } catch (error) {
    await rm(model.temporary, { force: true });
    if (data) await rm(data.temporary, { force: true });
    if (created !== undefined) await removeEmptyFolders(folder, created);
    throw error;
  }
  return {
    path: target,
    bytes: layout.modelBytes,
    ...(data && { data: { path: data.target, bytes: layout.dataBytes } }),
  };
}
