/** Opens a store by its URI. */
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { InputError } from "../errors.js";
import { FolderStore } from "./folder-store.js";
import type { ObjectStore } from "./object-store.js";

/**
 * The URI of what a user wrote: a path, `file:///...` or `s3://bucket/prefix`.
 * @param cwd folder that relative paths start from
 * @throws InputError for anything else
 */
export function storeUri(given: string, cwd: string): string {
  if (given.startsWith("s3://")) return given;
  if (given.startsWith("file://")) return pathToFileURL(fileURLToPath(given)).href;
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given)?.[1];
  if (scheme !== undefined) {
    throw new InputError(
      `${given}: stores are folders, file:///... and s3://bucket/prefix, not ${scheme}://`,
    );
  }
  return pathToFileURL(isAbsolute(given) ? given : resolve(cwd, given)).href;
}

/**
 * Opens a store.
 * @param uri as {@link storeUri} makes it
 * @param options.create makes a folder that is missing
 * @throws InputError if it cannot be one, StoreUnavailableError if it cannot be reached
 */
export async function openStore(uri: string, options: { readonly create: boolean }): Promise<ObjectStore> {
  if (uri.startsWith("file://")) return FolderStore.open(fileURLToPath(uri), options);
  throw new InputError(`${uri}: stores are file:///... and s3://bucket/prefix`);
}
