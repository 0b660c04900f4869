import { execFileSync } from "node:child_process";
import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { s3SettingsSchema } from "../../shared/config/storage-settings.js";
import { InputError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import type { WorkItem } from "../../shared/jobs/work-item.js";
import { FolderStore } from "../../shared/storage/folder-store.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { openStore } from "../../shared/storage/open-store.js";
import { asNobody } from "../../test/faulty-files.js";
import { jobRecord } from "../../test/job-samples.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { EmbeddedLog } from "./embedded-log/embedded-log.js";
import type { JobLog } from "./job-log.js";
import { checkDataset, type DatasetStores, isInput, submitItems } from "./submission.js";

let folder: string;
let log: EmbeddedLog;
let stores: DatasetStores;
let leftOut: string[];
const onLeftOut = (message: string) => leftOut.push(message);
const { signal } = new AbortController();
const name = "photos";

beforeEach(async () => {
  folder = await temporaryFolder();
  leftOut = [];
  stores = {
    input: await FolderStore.open(join(folder, "in"), { create: true }),
    output: await FolderStore.open(join(folder, "out"), { create: true }),
  };
  log = await EmbeddedLog.open(join(folder, "log"));
});
afterEach(() => log.close());

const files = async (...keys: string[]) => {
  for (const key of keys) {
    await mkdir(join(folder, "in", key, ".."), { recursive: true });
    await writeFile(join(folder, "in", key), key);
  }
};

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${String(from + i).padStart(5, "0")}.png`);

/** A job from `in` to the folder `to`. */
function record(to = "out", change: Partial<JobRecord> = {}): JobRecord {
  const job = jobRecord(name, change);
  const uri = (path: string) => pathToFileURL(join(folder, path)).href;
  return { ...job, spec: { ...job.spec, input: uri("in"), output: uri(to) } };
}

/** The stores of a job from `in` to the folder `to`. */
const storesTo = async (to: string): Promise<DatasetStores> => ({
  input: stores.input,
  output: await FolderStore.open(join(folder, to), { create: true }),
});

/** All that can be taken now. */
async function taken(): Promise<WorkItem[]> {
  const items: WorkItem[] = [];
  for (;;) {
    const some = await log.take(name, 500, { waitMilliseconds: 0, signal });
    if (some.length === 0) return items;
    items.push(...some.map(({ item }) => item));
  }
}

/** The log, with how many items each publication has, and something that happens after each. */
function noting(after: (publication: number) => Promise<void> = async () => {}) {
  const sizes: number[] = [];
  const noted: JobLog = Object.create(log, {
    publish: {
      value: async (of: string, items: readonly WorkItem[]) => {
        await log.publish(of, items);
        sizes.push(items.length);
        await after(sizes.length);
      },
    },
    update: { value: log.update.bind(log) },
  });
  return { noted, sizes };
}

describe("submitItems", () => {
  it("publishes every picture once, in the order of the keys, and says so in the record", async () => {
    await files("b/2.png", "b/1.JPG", "a.webp", "notes.txt", ".hidden/x.png", "b/.y.png");
    const { job } = await log.create(record());
    await submitItems({ log, stores, job, signal, onLeftOut });
    const keys = ["a.webp", "b/1.JPG", "b/2.png"];
    expect(await taken()).toEqual(
      keys.map((key, index) => ({ index, generation: 0, key, bytes: key.length })),
    );
    expect(await log.get(name)).toMatchObject({ listed: 3, cursor: "b/2.png", listedAll: true });
  });

  it("goes on behind folders that are closed to it, and says so of those that are not hidden", async () => {
    await files("a.png", ".Trash/v.png", "b/1.png", "lost+found/x.png", "names/y.png", "z.png");
    const { job } = await log.create(record());
    execFileSync("chmod", ["-R", "a+rwX", folder]);
    for (const closed of [".Trash", "lost+found"]) await chmod(join(folder, "in", closed), 0);
    await chmod(join(folder, "in/names"), 0o444);
    await asNobody(() => submitItems({ log, stores, job, signal, onLeftOut }));
    expect((await taken()).map(({ key }) => key)).toEqual(["a.png", "b/1.png", "z.png"]);
    expect(await log.get(name)).toMatchObject({ listed: 3, listedAll: true });
    expect(leftOut.map((message) => message.slice(join(folder, "in/").length))).toEqual([
      expect.stringMatching(/^lost\+found\/ cannot be listed: EACCES.*make it readable, then submit/),
      expect.stringMatching(/^names\/ cannot be listed: EACCES/),
    ]);
    // A store that is closed as a whole is another matter.
    await chmod(join(folder, "in"), 0o444);
    const listing = () => submitItems({ log, stores, job: record(), signal, onLeftOut });
    await expect(asNobody(listing)).rejects.toThrow(StoreUnavailableError);
  });

  it("begins with a small batch, so that work begins at once, and doubles it", async () => {
    await files(...numbered(0, 130));
    const { job } = await log.create(record());
    const { noted, sizes } = noting();
    // A clock that stands still: no batch is published for its age.
    await submitItems({ log: noted, stores, job, signal, onLeftOut, now: () => 0 });
    expect(sizes).toEqual([16, 32, 64, 18]);
    expect((await taken()).map(({ key }) => key)).toEqual(numbered(0, 130));
  });

  it("publishes what it has when finding more takes long", async () => {
    await files(...numbered(0, 4));
    const { job } = await log.create(record());
    const { noted, sizes } = noting();
    let seconds = 0;
    await submitItems({ log: noted, stores, job, signal, onLeftOut, now: () => (seconds += 0.6) });
    expect(sizes.reduce((sum, size) => sum + size)).toBe(4);
    expect(Math.max(...sizes)).toBeLessThan(4);
  });

  it("goes on behind the cursor, with the numbers that follow", async () => {
    await files(...numbered(0, 5));
    const { job } = await log.create(record("out", { listed: 3, cursor: "00002.png" }));
    await submitItems({ log, stores, job, signal, onLeftOut });
    expect((await taken()).map(({ index, key }) => [index, key])).toEqual([
      [3, "00003.png"],
      [4, "00004.png"],
    ]);
    expect(await log.get(name)).toMatchObject({ listed: 5, cursor: "00004.png", listedAll: true });
  });

  it("publishes again, under the same numbers, what a coordinator published that died before it said so", async () => {
    await files(...numbered(0, 20));
    const { job } = await log.create(record());
    const died = noting(async () => {
      throw new Error("killed");
    });
    await expect(submitItems({ log: died.noted, stores, job, signal, onLeftOut })).rejects.toThrow("killed");
    expect(await log.get(name)).toMatchObject({ listed: 0, cursor: null });
    await submitItems({ log, stores, job, signal, onLeftOut });
    const items = await taken();
    expect(items).toHaveLength(16 + 20);
    expect(new Map(items.map(({ index, key }) => [index, key])).size).toBe(20);
    for (const { index, key } of items) expect(key).toBe(numbered(index, index + 1)[0]);
    expect(await log.get(name)).toMatchObject({ listed: 20, listedAll: true });
  });

  it("leaves the record to whoever went on meanwhile", async () => {
    await files(...numbered(0, 40));
    const { job } = await log.create(record());
    const overtaken = noting(async (publication) => {
      if (publication === 1) await submitItems({ log, stores, job, signal, onLeftOut });
    });
    await submitItems({ log: overtaken.noted, stores, job, signal, onLeftOut });
    expect(overtaken.sizes).toEqual([16]);
    expect(await log.get(name)).toMatchObject({ listed: 40, listedAll: true });
  });

  it("stops between two batches when the job is cancelled, or it is told to", async () => {
    await files(...numbered(0, 100));
    const { job } = await log.create(record());
    const cancelling = noting(async () => {
      await log.update(name, (present) => ({ ...present, state: "cancelled" }));
    });
    await submitItems({ log: cancelling.noted, stores, job, signal, onLeftOut });
    expect(await log.get(name)).toMatchObject({ listed: 16, cursor: "00015.png", listedAll: false });
    const active = await log.update(name, (present) => ({ ...present, state: "active" }));
    const stop = new AbortController();
    const stopping = noting(async () => stop.abort());
    await submitItems({ log: stopping.noted, stores, job: active, signal: stop.signal, onLeftOut });
    expect(stopping.sizes).toEqual([16]);
    expect(await log.get(name)).toMatchObject({ listed: 32, listedAll: false });
  });
});

describe("what is an input", () => {
  it("are pictures, measurements for the task that restores them, and nothing of the output", async () => {
    const { restoration } = record().spec;
    const inside = await storesTo("in/restored");
    const keyIs = (key: string, of = restoration) => isInput({ key, bytes: 1 }, of, inside);
    expect(keyIs("a.png")).toBe(true);
    expect(keyIs("restored/a.png")).toBe(false);
    expect(keyIs("restored-too/a.png")).toBe(true);
    expect(keyIs("a.safetensors")).toBe(false);
    const sensed = { task: { task: "cs-hadamard", ratio: 0.5, permutationSeed: 0 } } as const;
    const measured = { ...restoration, ...sensed };
    expect(keyIs("a.safetensors", measured)).toBe(true);
    const simulated = { ...measured, simulate: true };
    expect(keyIs("a.safetensors", simulated)).toBe(false);
  });

  it("is looked for before a dataset is accepted", async () => {
    const { spec } = record();
    await expect(checkDataset(stores, spec)).rejects.toThrow(/holds no picture.*\.png/);
    await files("closed/a.png");
    execFileSync("chmod", ["a+rx", folder, join(folder, "in")]);
    await chmod(join(folder, "in/closed"), 0);
    await expect(asNobody(() => checkDataset(stores, spec))).rejects.toThrow(
      /holds no picture.*; .*closed\/ cannot be listed: EACCES/,
    );
    await rm(join(folder, "in/closed"), { recursive: true });
    await files("restored/a.png");
    const inside = await storesTo("in/restored");
    await expect(checkDataset(inside, spec)).rejects.toThrow(InputError);
    await files("a.png");
    await checkDataset(inside, spec);
    await expect(checkDataset(await storesTo("in"), record("in").spec)).rejects.toThrow(
      /--out .*is the input/,
    );
  });

  it("is told from the output by where the links in their paths lead", async () => {
    await files("a.png", "restored/a.png");
    await symlink(join(folder, "in"), join(folder, "mounted"));
    const { spec } = record("mounted");
    await expect(checkDataset(await storesTo("mounted"), spec)).rejects.toThrow(
      `mounted is the input, ${stores.input.uri}: restored pictures would be written over`,
    );
    const inside = await storesTo("mounted/restored");
    const { job } = await log.create(record("mounted/restored"));
    await submitItems({ log, stores: inside, job, signal, onLeftOut });
    expect((await taken()).map(({ key }) => key)).toEqual(["a.png"]);
  });

  it("is told from the output however many slashes end their URIs", async () => {
    const s3 = s3SettingsSchema.parse({});
    const open = (uri: string) => openStore(uri, { create: false, s3 });
    const uris = { input: "s3://bucket/photos", output: "s3://bucket/photos//" };
    const same = { input: await open(uris.input), output: await open(uris.output) };
    await expect(checkDataset(same, { ...record().spec, ...uris })).rejects.toThrow(/is the input/);
    await same.input.close();
    await same.output.close();
  });
});
