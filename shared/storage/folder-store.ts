/**
 * A folder, of this machine or shared, as a store of objects: keys are the files' paths below it.
 *
 * Invariants:
 * 1. Nothing outside the folder is read or written: links that lead out of it are refused, folders that are links are not
 *    listed. Whoever may change the folder meanwhile could still swap a folder for a link between the check and the use;
 *    Node has no openat to close that gap, so give the folder to nobody who must not have it.
 * 2. A file is there whole or not at all, and durable once `write` resolves.
 * 3. Files of our own (names that begin with `.deqfleet`) are never listed.
 */
import { createHash } from "node:crypto";
import { createReadStream, lstatSync, realpathSync, statSync } from "node:fs";
import { lstat, mkdir, opendir, realpath, rm, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { DeqfleetError, InputError, PictureError } from "../errors.js";
import { writeFileAtomic } from "../pictures/atomic-write.js";
import { sweepTemporaries } from "../pictures/temporary-file.js";
import type { SyncOptions } from "../sync-folder.js";
import { codeOf, failureOf, isClosed, isMissing } from "./file-faults.js";
import { checkKey, compareKeys } from "./object-key.js";
import type { ListOptions, ObjectDescription, ObjectStore, StoredObject } from "./object-store.js";
import { readByThreads, readHere } from "./read-file.js";

const ownNames = ".deqfleet";

/** Written to see whether there is room: more than a small picture needs, so that a nearly full disk is not called mended. */
const probeBytes = 1024 * 1024;

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** See {@link ObjectStore} and the invariants above. */
export class FolderStore implements ObjectStore {
  readonly uri: string;
  /** Absolute, without links. */
  readonly #root: string;
  readonly #ownThread: boolean;

  private constructor(root: string, ownThread: boolean) {
    this.#root = root;
    this.#ownThread = ownThread;
    this.uri = pathToFileURL(root).href;
  }

  /**
   * @param path absolute
   * @param options.create makes the folder if it is missing; otherwise that is an error
   * @param options.ownThread whether those who use it have their thread to themselves, see {@link SyncOptions}: small files are
   *   read at once, too, and looking at a file does not take turns with others
   * @throws InputError if it is missing or no folder, {@link StoreUnavailableError} if it cannot be made or looked at
   */
  static async open(
    path: string,
    { create, ownThread = false }: { readonly create: boolean } & SyncOptions,
  ): Promise<FolderStore> {
    try {
      if (create) await mkdir(path, { recursive: true });
      const root = await realpath(path);
      if (!(await stat(root)).isDirectory()) throw new InputError(`${path} is no folder`);
      return new FolderStore(root, ownThread);
    } catch (cause) {
      if (!create && isMissing(cause)) {
        throw new InputError(`the folder ${path} does not exist; create it, or give another one`, { cause });
      }
      throw failureOf(path, "opened", cause);
    }
  }

  list(options: ListOptions = {}): AsyncIterable<StoredObject> {
    return this.#walk("", options);
  }

  /** Objects below the folder `prefix`, which is empty or ends in a slash. */
  async *#walk(prefix: string, options: ListOptions): AsyncIterable<StoredObject> {
    const { after, signal } = options;
    signal?.throwIfAborted();
    for (const name of await this.#names(prefix, options)) {
      const key = prefix + name;
      if (name.endsWith("/")) {
        // All of a folder comes before `after` unless `after` is inside of it, or behind it.
        const done = after !== undefined && compareKeys(key, after) < 0 && !after.startsWith(key);
        if (!done) yield* this.#walk(key, options);
        continue;
      }
      if (after !== undefined && compareKeys(key, after) <= 0) continue;
      signal?.throwIfAborted();
      const bytes = await this.#sizeOf(key);
      if (bytes !== undefined) yield { key, bytes };
    }
  }

  /** Names in a folder, those of folders with a slash behind, in the order of the keys they make. */
  async #names(prefix: string, { onPassedOver }: ListOptions): Promise<string[]> {
    const path = join(this.#root, prefix);
    const names: string[] = [];
    try {
      // A batch at a time, so that only the names are all there at once.
      for await (const entry of await opendir(path, { bufferSize: 1000 })) {
        if (entry.name.startsWith(ownNames)) continue;
        if (entry.isDirectory()) names.push(`${entry.name}/`);
        else if (entry.isFile() || entry.isSymbolicLink()) names.push(entry.name);
      }
      // A folder may permit its names to be read and nothing behind them to be reached.
      await stat(`${path}${sep}.`);
    } catch (cause) {
      // A folder inside that was removed meanwhile holds nothing; a root that is gone is another matter.
      if (prefix !== "" && isMissing(cause)) return [];
      if (prefix !== "" && isClosed(cause)) {
        await this.#requireRoot();
        onPassedOver?.({ prefix, message: `${path} cannot be listed: ${DeqfleetError.messageOf(cause)}` });
        return [];
      }
      throw failureOf(path, "listed", cause);
    }
    return names.sort(compareKeys);
  }

  /** Size of a file to list, 0 if it cannot be told; undefined for what is no file, leads out of the folder, or was removed meanwhile. */
  async #sizeOf(key: string): Promise<number | undefined> {
    try {
      const found = await stat(await this.#inside(checkKey(key)));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if (isMissing(error) || codeOf(error) === "ELOOP" || error instanceof InputError) return undefined;
      if (isClosed(error) || codeOf(error) === "EIO") {
        await this.#requireRoot();
        return 0;
      }
      throw failureOf(join(this.#root, key), "looked at", error);
    }
  }

  /** The real path of an existing file or folder. @throws InputError if it lies outside, ENOENT if there is none */
  async #inside(key: string): Promise<string> {
    const shown = join(this.#root, key);
    const path = this.#ownThread ? realpathSync.native(shown) : await realpath(shown);
    if (path !== this.#root && !path.startsWith(this.#root + sep)) {
      throw new InputError(
        `${join(this.#root, key)} leads out of the folder, to ${path}; links must stay inside`,
      );
    }
    return path;
  }

  async read(
    key: string,
    { maxBytes, signal }: { readonly maxBytes: number; readonly signal?: AbortSignal },
  ): Promise<Uint8Array> {
    checkKey(key);
    signal?.throwIfAborted();
    const shown = join(this.#root, key);
    try {
      const path = await this.#inside(key);
      const read = this.#ownThread ? readHere : readByThreads;
      return await read(path, { shown, maxBytes, signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (isMissing(error)) {
        // Whether the picture is gone or the whole folder (a mount that fell off) is no picture's fault.
        await this.#requireRoot();
        throw new PictureError(`${shown} does not exist`, { cause: error });
      }
      throw failureOf(shown, "read", error);
    }
  }

  async #requireRoot(): Promise<void> {
    // With a dot behind it the folder has to permit what is in it to be reached.
    const path = `${this.#root}${sep}.`;
    try {
      if (this.#ownThread) statSync(path);
      else await stat(path);
    } catch (cause) {
      throw failureOf(this.#root, "reached", cause);
    }
  }

  async write(
    key: string,
    bytes: Uint8Array,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    checkKey(key);
    signal?.throwIfAborted();
    const sha256 = sha256Of(bytes);
    const path = join(this.#root, key);
    try {
      await this.#requireRoot();
      await this.#checkFolders(key);
      if (await this.#holds(key, bytes.length, sha256)) return sha256;
      await writeFileAtomic(path, bytes, { ownThread: this.#ownThread });
      return sha256;
    } catch (error) {
      throw failureOf(path, "written", error);
    }
  }

  /** Whether those bytes are already there. */
  async #holds(key: string, length: number, sha256: string): Promise<boolean> {
    // A link is written over, wherever it leads.
    const path = join(this.#root, key);
    const found = this.#ownThread
      ? lstatSync(path, { throwIfNoEntry: false })
      : await lstat(path).catch(() => undefined);
    if (!found?.isFile() || found.size !== length) return false;
    return (await this.describe(key))?.sha256 === sha256;
  }

  /** The deepest folder of the key that exists has to lie inside. */
  async #checkFolders(key: string): Promise<void> {
    for (let folder = dirname(key); folder !== "."; folder = dirname(folder)) {
      try {
        await this.#inside(folder);
        return;
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
  }

  async describe(
    key: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ObjectDescription | undefined> {
    checkKey(key);
    const shown = join(this.#root, key);
    try {
      const path = await this.#inside(key);
      if (!(await stat(path)).isFile()) return undefined;
      const hash = createHash("sha256");
      let bytes = 0;
      for await (const chunk of createReadStream(path, { signal })) {
        hash.update(chunk as Buffer);
        bytes += (chunk as Buffer).length;
      }
      return { bytes, sha256: hash.digest("hex") };
    } catch (error) {
      signal?.throwIfAborted();
      if (!isMissing(error)) throw failureOf(shown, "read", error);
      await this.#requireRoot();
      return undefined;
    }
  }

  async remove(key: string): Promise<void> {
    checkKey(key);
    const path = join(this.#root, key);
    try {
      await this.#checkFolders(key);
      await rm(path, { force: true });
    } catch (error) {
      throw failureOf(path, "removed", error);
    }
  }

  async probe(): Promise<void> {
    const key = `${ownNames}/probe-${process.pid}`;
    await this.write(key, Buffer.alloc(probeBytes, process.hrtime.bigint().toString()));
    await this.remove(key);
  }

  async sweep({ signal }: { readonly signal?: AbortSignal } = {}): Promise<number> {
    try {
      return await sweepTemporaries(this.#root, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw failureOf(this.#root, "swept", error);
    }
  }

  async close(): Promise<void> {}
}
