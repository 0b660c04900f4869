import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { describeObjectStore } from "../../test/object-store-conformance.js";
import { type S3Server, startS3Server } from "../../test/s3-server.js";
import { s3SettingsSchema } from "../config/storage-settings.js";
import { InputError, PictureError } from "../errors.js";
import { StoreUnavailableError } from "./object-store.js";
import { openStore } from "./open-store.js";
import { parseS3Uri } from "./s3-store.js";

let server: S3Server;
let buckets = 0;
beforeAll(async () => {
  server = await startS3Server();
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

const settings = () => s3SettingsSchema.parse({ endpoint: server.endpoint, pathStyle: true });
const openAt = (uri: string) => openStore(uri, { create: false, s3: settings() });
async function newBucket(): Promise<string> {
  const bucket = `bucket-${buckets++}`;
  await server.makeBucket(bucket);
  return bucket;
}

/** Overwrites the first bytes of an object's file, as a failing disk would. */
async function damage(bucket: string, key: string): Promise<void> {
  const file = await open(join(server.folderOf(bucket), key), "r+");
  await file.write("?");
  await file.close();
}

describeObjectStore(
  "a part of a bucket",
  async () => {
    const bucket = await newBucket();
    const store = await openAt(`s3://${bucket}/some/data`);
    return {
      store,
      spoil: (key) => damage(bucket, `some/data/${key}`),
      close: () => store.close(),
    };
  },
  true,
);

describe("a bucket", () => {
  it("lists beyond a page", async () => {
    const store = await openAt(`s3://${await newBucket()}`);
    const keys = Array.from({ length: 1050 }, (_, i) => `${String(i).padStart(5, "0")}.png`);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => store.write(key, Buffer.from(key))));
    }
    const listed: string[] = [];
    for await (const { key } of store.list()) listed.push(key);
    expect(listed).toEqual(keys);
    await store.close();
  });

  it("keeps what is outside of its prefix out of sight", async () => {
    const bucket = await newBucket();
    const [all, part] = [await openAt(`s3://${bucket}`), await openAt(`s3://${bucket}/part`)];
    await all.write("partial.png", Buffer.from("outside"));
    await part.write("in.png", Buffer.from("inside"));
    const listed: string[] = [];
    for await (const { key } of part.list()) listed.push(key);
    expect(listed).toEqual(["in.png"]);
    await expect(part.read("../partial.png", { maxBytes: 100 })).rejects.toBeInstanceOf(InputError);
    await expect(part.read("ial.png", { maxBytes: 100 })).rejects.toBeInstanceOf(PictureError);
  });
});

describe("a storage that cannot be used", () => {
  afterEach(() => {
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  });

  it("says that there is no such bucket", async () => {
    const store = await openAt("s3://nowhere");
    await expect(store.write("a", Buffer.from("a"))).rejects.toThrow(
      /^s3:\/\/nowhere\/a cannot be .*no such bucket; create it/,
    );
    await expect(store.read("a", { maxBytes: 1 })).rejects.toBeInstanceOf(StoreUnavailableError);
  });

  it("says that access is denied, and no secret", async () => {
    const bucket = await newBucket();
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret");
    const store = await openAt(`s3://${bucket}`);
    const failure: unknown = await store.probe().catch((error) => error);
    expect(failure).toBeInstanceOf(StoreUnavailableError);
    expect(String(failure)).toMatch(/access is denied; check the credentials/);
    expect(String(failure)).not.toMatch(/wrong-secret/);
  });

  it("is unavailable while the server is away, and serves again when it is back", async () => {
    const store = await openAt(`s3://${await newBucket()}`);
    await store.write("a", Buffer.from("a"));
    await server.stop();
    const failures = [
      () => store.read("a", { maxBytes: 1 }),
      () => store.write("b", Buffer.from("b")),
      () => store.describe("a"),
      () => store.probe(),
    ];
    for (const failing of failures) await expect(failing()).rejects.toBeInstanceOf(StoreUnavailableError);
    await server.restart();
    await store.probe();
    expect(Buffer.from(await store.read("a", { maxBytes: 1 })).toString()).toBe("a");
  });
});

describe("parseS3Uri", () => {
  it("splits bucket and prefix, and refuses what names no bucket", () => {
    expect(parseS3Uri("s3://bucket")).toEqual({ bucket: "bucket", prefix: "" });
    expect(parseS3Uri("s3://bucket/a/b/")).toEqual({ bucket: "bucket", prefix: "a/b/" });
    for (const uri of ["s3://", "s3:///a", "s3://Bucket/a", "s3://bucket/a//b", "s3://bucket/../x"]) {
      expect(() => parseS3Uri(uri), uri).toThrow(InputError);
    }
  });
});
