/**
 * Objects by their location: in stores, which are opened when they are first needed, or files of this machine.
 *
 * What cannot be read or written in a store is a matter of the store or of the one object; a file of this machine that cannot be
 * written stops the run, as everywhere where users write to their own disk.
 */
import { createHash } from "node:crypto";
import { InputError, RetryableError } from "../errors.js";
import type { Restoration } from "../jobs/job.js";
import { writeFileAtomic } from "../pictures/atomic-write.js";
import { readInputFile } from "../pictures/decode.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Location } from "./whole-picture.js";

/** Stores kept open: more than the jobs a worker serves at a time have. */
const keptStores = 16;

/** Bytes of a file for each pixel it may have: 16 bits of four channels, or three numbers of a measurement. */
const bytesPerPixel = 12;
/** Bytes of a file beside its pixels: profiles, previews, metadata. */
const bytesBeside = 64 * 1024 * 1024;

/** Bytes above which the file of a picture is refused unread. */
export const largestFile = ({ maxPixels }: Pick<Restoration, "maxPixels">): number =>
  bytesPerPixel * maxPixels + bytesBeside;

/** Opens a store by its URI. */
export type OpenStore = (uri: string, options: { readonly create: boolean }) => Promise<ObjectStore>;

/** How a location is shown in messages; its extension is the object's. */
export const shownLocation = ({ store, key }: Location): string =>
  store === null ? key : `${store.replace(/\/$/, "")}/${key}`;

/** A store that is open, or being opened. */
interface OpenedStore {
  readonly store: Promise<ObjectStore>;
  users: number;
  kept: boolean;
}

/** Reads and writes whole objects. */
export class LocatedFiles {
  readonly #open: OpenStore;
  /** In order of last use. */
  readonly #stores = new Map<string, OpenedStore>();

  /** @param open opens stores; folders that are missing are not made */
  constructor(open: OpenStore) {
    this.#open = open;
  }

  /**
   * Reads an object.
   * @param maxBytes above which an object of a store is refused
   * @throws PictureError if there is none, StoreUnavailableError, RetryableError if the store cannot be opened here
   */
  async read({ store, key }: Location, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    if (store === null) return readInputFile(key);
    return this.#use(store, (opened) => opened.read(key, { maxBytes, signal }));
  }

  /**
   * Writes an object whole or not at all; once this resolves it is durable and visible.
   * @returns its SHA-256, hex
   * @throws FatalError if a file of this machine cannot be written, StoreUnavailableError, RetryableError if the store cannot be
   *   opened here
   */
  async write({ store, key }: Location, bytes: Uint8Array, signal: AbortSignal): Promise<string> {
    if (store !== null) return this.#use(store, (opened) => opened.write(key, bytes, { signal }));
    signal.throwIfAborted();
    await writeFileAtomic(key, bytes);
    return createHash("sha256").update(bytes).digest("hex");
  }

  /** Closes the stores. */
  async close(): Promise<void> {
    await Promise.all([...this.#stores.keys()].map((uri) => this.#forget(uri)));
  }

  async #use<Result>(uri: string, work: (store: ObjectStore) => Promise<Result>): Promise<Result> {
    const opened = this.#stores.get(uri) ?? this.#opening(uri);
    this.#stores.delete(uri);
    this.#stores.set(uri, opened);
    if (this.#stores.size > keptStores) {
      const [oldest] = this.#stores.keys();
      void this.#forget(oldest!);
    }
    opened.users++;
    try {
      return await work(await opened.store);
    } finally {
      opened.users--;
      if (!opened.kept && opened.users === 0) await closeQuietly(opened);
    }
  }

  #opening(uri: string): OpenedStore {
    const store = this.#open(uri, { create: false }).catch((cause: unknown) => {
      this.#stores.delete(uri);
      // Another worker may have the folder mounted that this one lacks.
      if (cause instanceof InputError) throw new RetryableError(cause.message, { cause });
      throw cause;
    });
    return { store, users: 0, kept: true };
  }

  /** Closes a store as soon as nobody uses it. */
  async #forget(uri: string): Promise<void> {
    const opened = this.#stores.get(uri);
    if (!opened) return;
    this.#stores.delete(uri);
    opened.kept = false;
    if (opened.users === 0) await closeQuietly(opened);
  }
}

/** What a store says at its closing changes nothing any more. */
async function closeQuietly({ store }: OpenedStore): Promise<void> {
  await store.then((opened) => opened.close()).catch(() => {});
}
