import { execFileSync } from "node:child_process";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asNobody } from "../../test/faulty-files.js";
import { describeObjectStore } from "../../test/object-store-conformance.js";
import { mountTinyDisk, unmountTinyDisk } from "../../test/tiny-disk.js";
import { InputError, PictureError } from "../errors.js";
import { packageRoot } from "../package-root.js";
import { temporaryName } from "../pictures/temporary-file.js";
import { FolderStore } from "./folder-store.js";
import { type PassedOver, StoreFullError, StoreUnavailableError } from "./object-store.js";
import { openStore, storeUri } from "./open-store.js";

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "deqfleet-store-")));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Both ways of calling the file system. */
const threads = [
  { thread: "a thread that others use", ownThread: false },
  { thread: "a thread of its own", ownThread: true },
];

for (const { thread, ownThread } of threads) {
  describeObjectStore(
    `a folder, used from ${thread}`,
    async () => {
      const root = join(folder, "store");
      const store = await FolderStore.open(root, { create: true, ownThread });
      return {
        store,
        spoil: (key) => writeFile(join(root, key), "changed"),
        close: () => store.close(),
      };
    },
    // A folder of pictures is changed by other programs too: what lies there now is what is meant.
    false,
  );
}

it("reads small files and large ones whole from a thread of its own", async () => {
  const store = await FolderStore.open(folder, { create: false, ownThread: true });
  for (const size of [0, 5, 1024 * 1024, 1024 * 1024 + 1, 3 * 1024 * 1024]) {
    const bytes = Buffer.alloc(size, "deqfleet");
    await writeFile(join(folder, "large.bin"), bytes);
    const found = await store.read("large.bin", { maxBytes: 2 ** 30 });
    expect(Buffer.compare(Buffer.from(found), bytes)).toBe(0);
  }
});

describe.each(threads)("a folder used from $thread, and what leads out of it", ({ ownThread }) => {
  let root: string;
  let store: FolderStore;
  beforeEach(async () => {
    root = join(folder, "store");
    store = await FolderStore.open(root, { create: true, ownThread });
    await mkdir(join(folder, "outside"));
    await writeFile(join(folder, "outside", "secret.png"), "secret");
    await writeFile(join(root, "own.png"), "own");
  });

  it("refuses links that lead out, for files and folders, in all it does, and lists none of them", async () => {
    await symlink(join(folder, "outside", "secret.png"), join(root, "file.png"));
    await symlink(join(folder, "outside"), join(root, "folder"));
    await symlink(join(root, "own.png"), join(root, "inside.png"));
    for (const key of ["file.png", "folder/secret.png"]) {
      await expect(store.read(key, { maxBytes: 100 })).rejects.toThrow(/leads out of the folder/);
      await expect(store.describe(key)).rejects.toBeInstanceOf(InputError);
    }
    await expect(store.write("folder/new.png", Buffer.from("x"))).rejects.toBeInstanceOf(InputError);
    await expect(store.write("folder/deeper/new.png", Buffer.from("x"))).rejects.toBeInstanceOf(InputError);
    await expect(store.remove("folder/secret.png")).rejects.toBeInstanceOf(InputError);
    expect(await readdir(join(folder, "outside"))).toEqual(["secret.png"]);
    const keys: string[] = [];
    for await (const { key } of store.list()) keys.push(key);
    expect(keys).toEqual(["inside.png", "own.png"]);
    expect(Buffer.from(await store.read("inside.png", { maxBytes: 100 })).toString()).toBe("own");
  });

  it("writes over a link instead of through it", async () => {
    await symlink(join(folder, "outside", "secret.png"), join(root, "out.png"));
    await store.write("out.png", Buffer.from("new"));
    expect(await readFile(join(folder, "outside", "secret.png"), "utf8")).toBe("secret");
    expect(await readFile(join(root, "out.png"), "utf8")).toBe("new");
  });

  it("writes over a link also where it leads to the very bytes", async () => {
    await symlink(join(folder, "outside", "secret.png"), join(root, "out.png"));
    await store.write("out.png", Buffer.from("secret"));
    expect((await lstat(join(root, "out.png"))).isFile()).toBe(true);
  });

  it("blames the picture, not the folder, for a key that cannot be a file here", async () => {
    await mkdir(join(root, "taken"));
    await symlink("round.png", join(root, "round.png"));
    execFileSync("mkfifo", [join(root, "pipe.png")]);
    const failures = [
      () => store.write("taken", Buffer.from("x")),
      () => store.write("own.png/below.png", Buffer.from("x")),
      () => store.write(`${"x".repeat(300)}.png`, Buffer.from("x")),
      () => store.read("taken", { maxBytes: 100 }),
      () => store.read("round.png", { maxBytes: 100 }),
      () => store.read("pipe.png", { maxBytes: 100 }),
    ];
    for (const failing of failures) await expect(failing()).rejects.toBeInstanceOf(PictureError);
    await store.write("other.png", Buffer.from("x"));
  });

  it("does not touch a file that holds the same bytes already", async () => {
    const before = await stat(join(root, "own.png"));
    await store.write("own.png", Buffer.from("own"));
    expect((await stat(join(root, "own.png"))).ino).toBe(before.ino);
    await store.write("own.png", Buffer.from("new"));
    expect((await stat(join(root, "own.png"))).ino).not.toBe(before.ino);
  });

  it("lists what cannot be looked at, so that its reader is told why", async () => {
    await mkdir(join(root, "closed"));
    await writeFile(join(root, "closed", "a.png"), "a");
    await symlink("closed/a.png", join(root, "link.png"));
    await chmod(folder, 0o755);
    await chmod(join(root, "closed"), 0);
    const listed: unknown[] = [];
    const passedOver: string[] = [];
    await asNobody(async () => {
      const onPassedOver = ({ prefix }: PassedOver) => passedOver.push(prefix);
      for await (const object of store.list({ onPassedOver })) listed.push(object);
      await expect(store.read("link.png", { maxBytes: 100 })).rejects.toThrow(
        /link\.png cannot be read: EACCES/,
      );
    });
    expect(listed).toEqual([
      { key: "link.png", bytes: 0 },
      { key: "own.png", bytes: 3 },
    ]);
    expect(passedOver).toEqual(["closed/"]);
  });

  it("calls a folder that is gone unavailable, not its pictures missing", async () => {
    await rm(root, { recursive: true });
    const failures = [
      () => store.read("own.png", { maxBytes: 100 }),
      () => store.describe("own.png"),
      () => store.write("own.png", Buffer.from("x")),
      () => store.probe(),
      () => store.list()[Symbol.asyncIterator]().next(),
    ];
    for (const failing of failures) await expect(failing()).rejects.toBeInstanceOf(StoreUnavailableError);
  });
});

describe.each(threads)("a folder that cannot be written, used from $thread", ({ ownThread }) => {
  it("is unavailable while the disk is full, and serves again when there is room", async () => {
    const disk = join(folder, "disk");
    await mkdir(disk);
    expect(mountTinyDisk(disk)).toBe(true);
    try {
      const store = await FolderStore.open(disk, { create: false, ownThread });
      const picture = Buffer.alloc(100 * 1024, 7);
      const failure: unknown = await store.write("large.png", picture).catch((error) => error);
      expect(failure).toBeInstanceOf(StoreFullError);
      expect(String(failure)).toMatch(/large\.png cannot be written: no space left on the device/);
      await expect(store.probe()).rejects.toThrow(/no space left/);
      expect(await readdir(disk)).toEqual([".deqfleet"]);
      execFileSync("mount", ["-o", "remount,size=4m", disk]);
      await store.probe();
      await store.write("large.png", picture);
    } finally {
      unmountTinyDisk(disk);
    }
  });

  it("is unavailable on a read-only file system", async () => {
    const disk = join(folder, "disk");
    await mkdir(disk);
    expect(mountTinyDisk(disk)).toBe(true);
    try {
      const store = await FolderStore.open(disk, { create: false, ownThread });
      execFileSync("mount", ["-o", "remount,ro", disk]);
      await expect(store.write("a.png", Buffer.from("a"))).rejects.toThrow(StoreUnavailableError);
      await expect(store.write("a.png", Buffer.from("a"))).rejects.toThrow(/read-only/);
      await expect(store.write("in/a/folder.png", Buffer.from("a"))).rejects.toThrow(/read-only/);
    } finally {
      unmountTinyDisk(disk);
    }
  });
});

describe("openStore", () => {
  it("opens what a user writes, and says what cannot be one", async () => {
    expect(storeUri("pictures", "/data")).toBe("file:///data/pictures");
    expect(storeUri("/data/a b", "/")).toBe("file:///data/a%20b");
    expect(storeUri("s3://bucket/prefix", "/")).toBe("s3://bucket/prefix");
    expect(() => storeUri("gs://bucket", "/")).toThrow(/stores are folders.*not gs:/);
    const uri = pathToFileURL(join(folder, "none")).href;
    await expect(openStore(uri, { create: false })).rejects.toThrow(/does not exist; create it/);
    expect((await openStore(uri, { create: true })).uri).toBe(uri);
    const file = join(folder, "file");
    await writeFile(file, "x");
    await expect(openStore(pathToFileURL(file).href, { create: false })).rejects.toThrow(InputError);
    await expect(
      (await openStore(uri, { create: true })).read("none.png", { maxBytes: 1 }),
    ).rejects.toBeInstanceOf(PictureError);
  });
});

describe("what killed writers leave", () => {
  /** A process that writes `big.png` into a folder and is killed before it is renamed. */
  const killedWriter = (into: string) => {
    const script = `import { writeFileAtomic } from ${JSON.stringify(new URL("dist/shared/pictures/atomic-write.js", packageRoot).href)};
      await writeFileAtomic(process.argv[1] + "/big.png", new Uint8Array(1000));`;
    const env = { ...process.env, DEQFLEET_CRASH_POINT: "before-rename" };
    expect(() =>
      execFileSync(process.execPath, ["--input-type=module", "-e", script, into], { env, stdio: "ignore" }),
    ).toThrow(expect.objectContaining({ signal: "SIGKILL" }));
  };
  const temporaries = async () =>
    (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".tmp"));

  it("is swept, in folders below, too; what others write is not", async () => {
    const store = await FolderStore.open(folder, { create: true });
    await store.write("deep/er/a.png", Buffer.from("a"));
    killedWriter(folder);
    killedWriter(join(folder, "deep/er"));
    expect(await temporaries()).toHaveLength(2);
    expect((await readdir(folder)).sort()).not.toContain("big.png");
    const mine = temporaryName();
    const [, host] = mine.split("-");
    const elsewhere = mine.replace(host, host === "00000000" ? "00000001" : "00000000");
    const old = ".deqfleet-of-another-version.tmp";
    for (const name of [mine, elsewhere, old, ".deqfleet-notes"]) await writeFile(join(folder, name), "x");
    const yesterday = Date.now() / 1000 - 25 * 3600;
    await utimes(join(folder, old), yesterday, yesterday);

    // What lies behind a link is somebody else's.
    const linked = await mkdtemp(join(tmpdir(), "deqfleet-linked-"));
    await writeFile(join(linked, old), "x");
    await utimes(join(linked, old), yesterday, yesterday);
    await symlink(linked, join(folder, "link"));

    expect(await store.sweep()).toBe(3);
    expect(await readdir(linked)).toEqual([old]);
    await rm(join(folder, "link"));
    await rm(linked, { recursive: true });
    expect((await temporaries()).sort()).toEqual([elsewhere, mine].sort());
    expect(await readdir(folder)).toContain(".deqfleet-notes");
    expect(await readFile(join(folder, "deep/er/a.png"), "utf8")).toBe("a");
    // Another machine's, once nobody can be at it any more.
    await utimes(join(folder, elsewhere), yesterday, yesterday);
    expect(await store.sweep()).toBe(1);
    expect(await temporaries()).toEqual([mine]);
  });

  it("says that a folder is gone, and stops when told to", async () => {
    const store = await FolderStore.open(join(folder, "store"), { create: true });
    await expect(store.sweep({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    await rm(join(folder, "store"), { recursive: true });
    await expect(store.sweep()).rejects.toThrow(StoreUnavailableError);
  });
});
