/**
 * Where pictures are read from and written to: a folder, a shared volume, or a bucket of an object storage. Keys are relative
 * paths with `/` between their parts; none is absolute, empty, or has a part `.` or `..`.
 */
import { RetryableError } from "../errors.js";

/** An object of a listing. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
}

/** What is known of one object. */
export interface ObjectDescription {
  readonly bytes: number;
  /** Hex; undefined where the object was written by something that left none. */
  readonly sha256: string | undefined;
}

/** A folder of a store whose objects are missing from a listing. */
export interface PassedOver {
  /** What the keys of its objects begin with, up to a slash. */
  readonly prefix: string;
  /** Names the folder, and says why. */
  readonly message: string;
}

/** What is listed. */
export interface ListOptions {
  /** Only keys that come after this one. */
  readonly after?: string;
  readonly signal?: AbortSignal;
  /** Hears of every folder that this process may not read: the listing goes on behind it. */
  readonly onPassedOver?: (folder: PassedOver) => void;
}

/** A store of whole objects. Everything it throws on purpose is a DeqfleetError. */
export interface ObjectStore {
  /** `file:///absolute/folder` or `s3://bucket/prefix`. */
  readonly uri: string;
  /**
   * All objects below the store's root in the byte order of their UTF-8 keys, as a stream: memory does not grow with their
   * number beyond one folder's names. An object that cannot be looked at is listed with no bytes: who reads it is told why.
   */
  list(options?: ListOptions): AsyncIterable<StoredObject>;
  /**
   * Reads an object and checks it against its checksum, where it has one.
   * @throws PictureError if there is none, it is larger than `maxBytes` or does not match; {@link StoreUnavailableError}
   */
  read(
    key: string,
    options: { readonly maxBytes: number; readonly signal?: AbortSignal },
  ): Promise<Uint8Array>;
  /**
   * Writes an object whole or not at all; once this resolves it is durable and visible. Writing the same bytes again
   * changes nothing.
   * @returns its SHA-256, hex
   * @throws {@link StoreUnavailableError}
   */
  write(key: string, bytes: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<string>;
  /** Undefined if there is no such object. */
  describe(key: string, options?: { readonly signal?: AbortSignal }): Promise<ObjectDescription | undefined>;
  /** Removes an object; one that is not there is no error. */
  remove(key: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Resolves if the store can be written to at present. @throws {@link StoreUnavailableError} saying why not */
  probe(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Removes what killed writers left half written. Absent where they leave nothing.
   * @returns how many objects that were @throws {@link StoreUnavailableError}
   */
  sweep?(options?: { readonly signal?: AbortSignal }): Promise<number>;
  close(): Promise<void>;
}

/**
 * The store cannot be used at present (disk full, unreachable, access denied): every picture would fail alike. Whether it is the
 * store or the one object that refuses, nobody can tell from the refusal; see coordinator/jobs/run-item.ts.
 */
export class StoreUnavailableError extends RetryableError {}

/** There is no room for it: never the object's own fault, though there may be room for less. */
export class StoreFullError extends StoreUnavailableError {}
