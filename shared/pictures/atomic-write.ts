/**
 * Writing a file so that its name never shows half of it: the bytes go to a temporary name in the same folder, are synced
 * to disk, and are then renamed over the final name. A repeated write replaces the file as a whole.
 */
import { closeSync, fsync, openSync, renameSync, writeFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { crashPoint } from "../crash-point.js";
import { DeqfleetError, FatalError } from "../errors.js";
import { makeFolder } from "../make-folder.js";
import { type SyncOptions, syncFolder } from "../sync-folder.js";
import { temporaryName } from "./temporary-file.js";

const codeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;

const remedyOf = (code: string | undefined): string => {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return "no space left on the device (or quota exceeded): free space or choose another --out";
    case "EACCES":
    case "EPERM":
      return "permission denied: make the folder writable for this user or choose another --out";
    case "EROFS":
      return "the file system is read-only: remount it writable or choose another --out";
    case "ENOTDIR":
    case "EEXIST":
      return "a part of the path is a file, not a folder: remove that file or choose another --out";
    case "EISDIR":
      return "a folder of that name is in the way: remove it or choose another --out";
    case "ENAMETOOLONG":
      return "the path is too long for the file system: shorten the name or choose another --out";
    default:
      return "check the disk or choose another --out";
  }
};

/** Turns a file system's error while writing `path` into one that names the path, the reason and the remedy. */
export function writeFailure(path: string, cause: unknown): FatalError {
  return new FatalError(
    `${path} cannot be written: ${remedyOf(codeOf(cause))} (${DeqfleetError.messageOf(cause)})`,
    {
      cause,
    },
  );
}

const syncFile = promisify(fsync);

/** See {@link SyncOptions.ownThread}. */
const writeSyncedHere = async (path: string, bytes: Uint8Array): Promise<void> => {
  const file = openSync(path, "wx");
  try {
    writeFileSync(file, bytes);
    await syncFile(file);
  } finally {
    closeSync(file);
  }
};

const writeSynced = async (path: string, bytes: Uint8Array): Promise<void> => {
  // "wx": a temporary name is never shared, not even with another process of the same id on another host.
  const handle = await open(path, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/**
 * Writes `bytes` to `path` all or nothing, creating parent folders. When it returns, the file and its name are on disk;
 * when it throws, no temporary file is left and a file already at `path` is untouched. The temporary name begins with a
 * dot, so that discovery passes over what a killed process leaves behind.
 * @throws FatalError if the disk is full, the folder not writable or the path blocked
 */
export async function writeFileAtomic(
  path: string,
  bytes: Uint8Array,
  { ownThread = false }: SyncOptions = {},
): Promise<void> {
  const write = ownThread ? writeSyncedHere : writeSynced;
  const target = resolve(path);
  const folder = dirname(target);
  const temporary = join(folder, temporaryName());
  try {
    try {
      await write(temporary, bytes).catch(async (error: unknown) => {
        // Folders are mostly there.
        if (codeOf(error) !== "ENOENT") throw error;
        await makeFolder(folder);
        await write(temporary, bytes);
      });
      crashPoint("before-rename");
      if (ownThread) renameSync(temporary, target);
      else await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(folder, { ownThread });
  } catch (error) {
    throw writeFailure(path, error);
  }
}
