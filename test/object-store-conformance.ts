/** What every object store has to do, as tests. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError, PictureError } from "../shared/errors.js";
import { compareKeys } from "../shared/storage/object-key.js";
import type { ObjectStore } from "../shared/storage/object-store.js";

/** A store to test, and what is behind it. */
export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** Changes a stored object behind the store's back. */
  spoil(key: string): Promise<void>;
  close(): Promise<void>;
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text);

async function keysOf(listing: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listing) keys.push(key);
  return keys;
}

/**
 * @param keepsChecksums whether a change behind the store's back is noticed when the object is read
 */
export function describeObjectStore(
  name: string,
  open: () => Promise<StoreUnderTest>,
  keepsChecksums: boolean,
): void {
  describe(`${name}, as an object store`, () => {
    let under: StoreUnderTest;
    let store: ObjectStore;
    beforeEach(async () => {
      under = await open();
      store = under.store;
    });
    afterEach(() => under.close());

    it("gives back what was written, and says what it is", async () => {
      const sha256 = await store.write("a/b/c.bin", bytesOf("three"));
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(Buffer.from(await store.read("a/b/c.bin", { maxBytes: 5 })).toString()).toBe("three");
      expect(await store.describe("a/b/c.bin")).toEqual({ bytes: 5, sha256 });
      expect(await store.describe("a/b/d.bin")).toBeUndefined();
    });

    it("replaces an object as a whole, and writes the same bytes again without harm", async () => {
      const first = await store.write("x", bytesOf("long before"));
      expect(await store.write("x", bytesOf("long before"))).toBe(first);
      await store.write("x", bytesOf("short"));
      expect(Buffer.from(await store.read("x", { maxBytes: 100 })).toString()).toBe("short");
      await store.remove("x");
      await store.remove("x");
      expect(await store.describe("x")).toBeUndefined();
    });

    it("lets writers of one key each write all of it", async () => {
      const texts = Array.from({ length: 6 }, (_, i) => String(i).repeat(20_000));
      await Promise.all(texts.map((text) => store.write("same", bytesOf(text))));
      expect(texts).toContain(Buffer.from(await store.read("same", { maxBytes: 20_000 })).toString());
    });

    it("lists keys in the order of their bytes, and goes on behind any of them", async () => {
      const keys = [
        "a.png",
        "a/b.png",
        "a/b/c.png",
        "a0.png",
        "ä.png",
        "z/\u{1F600}.png",
        "z/\uFF5E.png",
        "Z.png",
      ];
      for (const key of keys) await store.write(key, bytesOf(key));
      const sorted = [...keys].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      expect([...keys].sort(compareKeys)).toEqual(sorted);
      expect(await keysOf(store.list())).toEqual(sorted);
      for (const [index, after] of sorted.entries()) {
        expect(await keysOf(store.list({ after }))).toEqual(sorted.slice(index + 1));
      }
      expect(await keysOf(store.list({ after: "a/b/b" }))).toEqual(
        sorted.filter((key) => compareKeys(key, "a/b/b") > 0),
      );
      for await (const { key, bytes } of store.list()) expect(bytes).toBe(Buffer.byteLength(key));
    });

    it("lists no files of its own", async () => {
      await store.write(".deqfleet/job/mask.png", bytesOf("mask"));
      await store.write("picture.png", bytesOf("picture"));
      await store.probe();
      expect(await keysOf(store.list())).toEqual(["picture.png"]);
    });

    it.each([
      "",
      "/etc/passwd",
      "../up",
      "a/../../up",
      "a//b",
      "./a",
      "a/.",
      "a\\..\\b",
      "a\0b",
      "a\nb",
      "x".repeat(1025),
    ])("refuses the key %j", async (key) => {
      await expect(store.read(key, { maxBytes: 10 })).rejects.toBeInstanceOf(InputError);
      await expect(store.write(key, bytesOf("x"))).rejects.toBeInstanceOf(InputError);
      await expect(store.describe(key)).rejects.toBeInstanceOf(InputError);
      await expect(store.remove(key)).rejects.toBeInstanceOf(InputError);
    });

    it("blames the picture where it is missing or too large", async () => {
      await store.write("large", bytesOf("0123456789"));
      const failure = (key: string) => store.read(key, { maxBytes: 9 }).catch((error: unknown) => error);
      expect(await failure("large")).toBeInstanceOf(PictureError);
      expect(String(await failure("large"))).toMatch(/large has 10 bytes, more than the 9 allowed/);
      expect(await failure("none")).toBeInstanceOf(PictureError);
      expect(String(await failure("none"))).toMatch(/none does not exist/);
    });

    if (keepsChecksums) {
      it("refuses an object that was changed behind its back", async () => {
        await store.write("spoilt", bytesOf("as it was"));
        await under.spoil("spoilt");
        await expect(store.read("spoilt", { maxBytes: 100 })).rejects.toThrow(PictureError);
        await expect(store.read("spoilt", { maxBytes: 100 })).rejects.toThrow(/checksum/);
      });
    }

    it("stops when it is told to", async () => {
      await store.write("a", bytesOf("a"));
      const signal = AbortSignal.abort(new Error("enough"));
      await expect(store.read("a", { maxBytes: 10, signal })).rejects.toThrow("enough");
      await expect(store.write("b", bytesOf("b"), { signal })).rejects.toThrow("enough");
      await expect(keysOf(store.list({ signal }))).rejects.toThrow("enough");
      expect(await store.describe("b")).toBeUndefined();
    });
  });
}
