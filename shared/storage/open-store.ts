/** Opens a store by its URI. */
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type S3Settings, s3SettingsFrom } from "../config/storage-settings.js";
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

/** How a store is opened. */
export interface StoreOptions {
  /** Makes a folder that is missing; a bucket has to be there. */
  readonly create: boolean;
  /** Whether those who use it have their thread to themselves; default: no. */
  readonly ownThread?: boolean | undefined;
  /** Default: what the environment says, see {@link s3SettingsFrom}. */
  readonly s3?: S3Settings | undefined;
}

/**
 * Opens a store.
 * @param uri as {@link storeUri} makes it
 * @throws InputError if it cannot be one, StoreUnavailableError if it cannot be reached
 */
export async function openStore(
  uri: string,
  { create, ownThread = false, s3 = s3SettingsFrom(process.env) }: StoreOptions,
): Promise<ObjectStore> {
  if (uri.startsWith("file://")) return FolderStore.open(fileURLToPath(uri), { create, ownThread });
  if (uri.startsWith("s3://")) {
    // The SDK warns of the age of Node 20 on stderr, in the middle of whatever stands there.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
    // Loading it takes a while, which those who use folders need not spend.
    const { S3Store } = await import("./s3-store.js");
    return new S3Store(uri, s3);
  }
  throw new InputError(`${uri}: stores are file:///... and s3://bucket/prefix`);
}
