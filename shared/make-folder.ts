/**
 * `mkdir -p`, durable. Node's own tries for ever on file systems that have no room for folders at all, such as /proc, and calls a
 * folder missing that a read-only file system refuses to make.
 */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "./sync-folder.js";

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;

/** Makes a folder and those above it, if need be. Rejects with the file system's error. @returns the path */
export async function makeFolder(path: string): Promise<string> {
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await stat(path)).isDirectory()) return path;
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path).catch((again: unknown) => {
      // Another process may have been quicker.
      if (codeOf(again) !== "EEXIST") throw again;
    });
  }
  await syncFolder(dirname(path));
  return path;
}
