/**
 * A bucket of an S3-compatible object storage, or a part of it, as a store.
 *
 * - A put is visible whole or not at all, and durable once it is answered: that is S3's promise.
 * - Every object of ours carries its SHA-256: the storage checks it on arrival, we on every read. Objects that others wrote
 *   are checked where they carry one.
 * - A listing is in the order of UTF-8 bytes, as S3 defines it for general purpose buckets.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import type { S3Settings } from "../config/storage-settings.js";
import { DeqfleetError, InputError, PictureError } from "../errors.js";
import { checkKey, isKey } from "./object-key.js";
import {
  type ListOptions,
  type ObjectDescription,
  type ObjectStore,
  type StoredObject,
  StoreUnavailableError,
} from "./object-store.js";

/** Name of the metadata in which the checksum is kept where the storage keeps none of its own. */
const metadataName = "sha256";

const attempts = 4;
const connectMilliseconds = 5_000;
/** Without a byte in between. */
const requestMilliseconds = 60_000;

const hexOf = (base64: string): string => Buffer.from(base64, "base64").toString("hex");

/** The checksum an object carries, hex. One of a part of an upload in parts is none of the object. */
function checksumOf({
  ChecksumSHA256: own,
  Metadata: metadata,
}: Pick<GetObjectCommandOutput, "ChecksumSHA256" | "Metadata">): string | undefined {
  if (own !== undefined && !own.includes("-")) return hexOf(own);
  return metadata?.[metadataName];
}

/** `s3://bucket/prefix` in parts; the prefix is empty or ends in a slash. @throws InputError */
export function parseS3Uri(uri: string): { readonly bucket: string; readonly prefix: string } {
  const [, bucket, path = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(uri) ?? [];
  if (bucket === undefined) {
    throw new InputError(`${uri} names no bucket; give s3://bucket or s3://bucket/prefix`);
  }
  const prefix = path.replace(/\/+$/, "");
  return { bucket, prefix: prefix === "" ? "" : `${checkKey(prefix)}/` };
}

/** See {@link ObjectStore} and what is said above. */
export class S3Store implements ObjectStore {
  readonly uri: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  /**
   * Opens nothing yet: the first call shows whether the storage is there.
   * @throws InputError if the URI names no bucket
   */
  constructor(uri: string, { endpoint, region, pathStyle }: S3Settings) {
    const { bucket, prefix } = parseS3Uri(uri);
    this.uri = `s3://${bucket}/${prefix}`.replace(/\/$/, "");
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#client = new S3Client({
      ...(endpoint === null ? {} : { endpoint }),
      region: region ?? "us-east-1",
      forcePathStyle: pathStyle,
      maxAttempts: attempts,
      requestHandler: { connectionTimeout: connectMilliseconds, requestTimeout: requestMilliseconds },
    });
  }

  async *list({ after, signal }: ListOptions = {}): AsyncIterable<StoredObject> {
    let startAfter = after === undefined ? undefined : this.#prefix + after;
    for (;;) {
      signal?.throwIfAborted();
      const page = await this.#call("listed", this.uri, signal, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix,
            StartAfter: startAfter,
          }),
          { abortSignal: signal },
        ),
      );
      for (const { Key: name, Size: bytes = 0 } of page.Contents ?? []) {
        if (name === undefined) continue;
        startAfter = name;
        const key = name.slice(this.#prefix.length);
        // Markers of folders and names that no folder could hold are no pictures; our own files are none either.
        if (isKey(key) && !key.startsWith(".deqfleet")) yield { key, bytes };
      }
      if (!page.IsTruncated) return;
    }
  }

  async read(
    key: string,
    { maxBytes, signal }: { readonly maxBytes: number; readonly signal?: AbortSignal },
  ): Promise<Uint8Array> {
    const shown = this.#shown(checkKey(key));
    return this.#call("read", shown, signal, async () => {
      const object = await this.#client.send(
        new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }),
        { abortSignal: signal },
      );
      const { ContentLength: length = 0, Body: body } = object;
      if (!(body instanceof Readable)) throw new StoreUnavailableError(`${shown} came without its bytes`);
      const bytes = await readAtMost(body, length, maxBytes, shown);
      const checksum = checksumOf(object);
      if (checksum !== undefined && createHash("sha256").update(bytes).digest("hex") !== checksum) {
        throw new PictureError(
          `${shown} does not match its checksum ${checksum}: it was damaged; upload it again`,
        );
      }
      return bytes;
    });
  }

  async write(
    key: string,
    bytes: Uint8Array,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    const shown = this.#shown(checkKey(key));
    const digest = createHash("sha256").update(bytes).digest();
    const sha256 = digest.toString("hex");
    if ((await this.describe(key, { signal }))?.sha256 === sha256) return sha256;
    await this.#call("written", shown, signal, () =>
      this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: this.#prefix + key,
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumSHA256: digest.toString("base64"),
          Metadata: { [metadataName]: sha256 },
        }),
        { abortSignal: signal },
      ),
    );
    return sha256;
  }

  async describe(
    key: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ObjectDescription | undefined> {
    const shown = this.#shown(checkKey(key));
    return this.#call("looked at", shown, signal, async () => {
      try {
        const object = await this.#client.send(
          new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key, ChecksumMode: "ENABLED" }),
          { abortSignal: signal },
        );
        return { bytes: object.ContentLength ?? 0, sha256: checksumOf(object) };
      } catch (error) {
        // A HEAD has no body that could tell a missing bucket from a missing object.
        if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return undefined;
        throw error;
      }
    });
  }

  async remove(key: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#call("removed", this.#shown(checkKey(key)), signal, () =>
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }), {
        abortSignal: signal,
      }),
    );
  }

  async probe({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const key = `.deqfleet/probe-${process.pid}`;
    await this.write(key, Buffer.from(String(process.hrtime.bigint())), { signal });
    await this.remove(key, { signal });
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #shown(key: string): string {
    return `s3://${this.#bucket}/${this.#prefix}${key}`;
  }

  /** Turns whatever the SDK throws, after its own retries, into an error of ours. */
  async #call<Result>(
    doing: string,
    shown: string,
    signal: AbortSignal | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof DeqfleetError) throw cause;
      const name = cause instanceof Error ? cause.name : "";
      // The SDK has no class for what its own check of a body finds.
      if (DeqfleetError.messageOf(cause).startsWith("Checksum mismatch")) throw damaged(shown);
      if (name === "NoSuchKey") throw new PictureError(`${shown} does not exist`, { cause });
      throw new StoreUnavailableError(`${shown} cannot be ${doing}: ${reasonOf(cause)}`, { cause });
    }
  }
}

/** All bytes of a body. @param length as announced; what follows may be more, or not announced at all */
async function readAtMost(body: Readable, length: number, maxBytes: number, shown: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  const refuse = (bytes: string): never => {
    // The connection would bring the rest of it.
    body.destroy();
    throw new PictureError(`${shown} has ${bytes} bytes, more than the ${maxBytes} allowed`);
  };
  if (length > maxBytes) refuse(String(length));
  for await (const part of body) {
    parts.push(part as Buffer);
    total += (part as Buffer).length;
    if (total > maxBytes) refuse(`${total} or more`);
  }
  return Buffer.concat(parts, total);
}

const damaged = (shown: string): PictureError =>
  new PictureError(`${shown} does not match its checksum: it was damaged; upload it again`);

/** What went wrong and what helps. The SDK's messages hold no secrets. */
function reasonOf(cause: unknown): string {
  const message = DeqfleetError.messageOf(cause);
  if (!(cause instanceof S3ServiceException)) return message || "the storage cannot be reached";
  const { httpStatusCode: status } = cause.$metadata;
  if (cause.name === "NoSuchBucket") return "there is no such bucket; create it, or correct the URI";
  if (status === 403) return `${cause.name}: access is denied; check the credentials and their rights`;
  return `${cause.name}: ${message}`;
}
