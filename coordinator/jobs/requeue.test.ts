import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RetryableError } from "../../shared/errors.js";
import type { ItemOutcome, WorkItem } from "../../shared/jobs/work-item.js";
import { FolderStore } from "../../shared/storage/folder-store.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { mountFailingFile, unmountFailingFile } from "../../test/faulty-files.js";
import { deadLetter, itemOutcome, jobRecord } from "../../test/job-samples.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { EmbeddedLog } from "./embedded-log/embedded-log.js";
import { replayOutcomes } from "./follow-outcomes.js";
import type { JobLog } from "./job-log.js";
import { retried } from "./job-requests.js";
import { requeueItems } from "./requeue.js";
import type { Tally } from "./tally.js";

let folder: string;
let log: EmbeddedLog;
let input: FolderStore;
let tally: Tally;
const { signal } = new AbortController();
const name = "photos";
const now = () => new Date("2026-02-03T04:05:06.789Z");

const failed = (index: number, change: Partial<ItemOutcome> = {}) =>
  itemOutcome(index, { status: "failed", errors: ["no picture"], output: null, sha256: null, ...change });

beforeEach(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, "in"));
  input = await FolderStore.open(join(folder, "in"), { create: false });
  log = await EmbeddedLog.open(join(folder, "log"));
  for (let index = 0; index < 5; index++) await writeFile(join(folder, "in", `${index}.png`), "12345");
  await log.create(jobRecord(name, { state: "finished", listed: 5, listedAll: true, finishedAt: "then" }));
  await log.record(name, itemOutcome(0));
  await log.record(name, failed(1));
  await log.record(name, itemOutcome(2, { status: "dead", errors: ["a", "b"] }));
  await log.record(name, failed(3));
  await log.record(name, itemOutcome(4));
  await log.bury(name, deadLetter(2, "a", "b"));
  tally = await replayOutcomes(log, name, { signal, trouble: () => {} });
});
afterEach(() => log.close());

/** Asks for a retry of those outcomes, and makes it over a log. */
async function retry(statuses: readonly ("failed" | "dead")[], over: JobLog = log): Promise<void> {
  const job = await log.update(name, (present) => retried(present, statuses, now()));
  await requeueItems({ log: over, input, job, tally, signal, now });
}

const queued = async (): Promise<WorkItem[]> =>
  (await log.take(name, 100, { waitMilliseconds: 0, signal })).map(({ item }) => item);

async function outcomes(): Promise<ItemOutcome[]> {
  const all: ItemOutcome[] = [];
  for await (const outcome of log.outcomes(name, { follow: false, signal })) all.push(outcome);
  return all;
}

const letters = async (): Promise<number[]> => {
  const all: number[] = [];
  for await (const { item } of log.deadLetters(name)) all.push(item.index);
  return all;
};

describe("requeueItems", () => {
  it("publishes those of the outcomes asked for in a new generation, and takes their outcomes back", async () => {
    await retry(["dead"]);
    expect(await queued()).toEqual([{ index: 2, generation: 1, key: "2.png", bytes: 5 }]);
    expect(await letters()).toEqual([]);
    expect((await outcomes()).at(-1)).toMatchObject({
      ...{ index: 2, generation: 1, status: "requeued", errors: ["a", "b"], deliveries: 0, output: null },
      at: now().toISOString(),
    });
    expect(tally.byStatus).toEqual({ done: 2, failed: 2, dead: 0, dropped: 0 });
    expect(await log.get(name)).toMatchObject({ generation: 1, requeue: [], requeued: 1, finishedAt: null });

    await log.record(name, itemOutcome(2, { generation: 1 }));
    tally.apply(itemOutcome(2, { generation: 1 }));
    await retry(["failed", "dead"]);
    expect((await queued()).map(({ index, generation }) => [index, generation])).toEqual([
      [1, 2],
      [3, 2],
    ]);
    expect(await log.get(name)).toMatchObject({ generation: 2, requeue: [], requeued: 2 });
  });

  it("lets an input that is gone fail when its turn comes; a store that is gone waits", async () => {
    await rm(join(folder, "in/1.png"));
    await retry(["failed"]);
    expect((await queued()).map(({ index, bytes }) => [index, bytes])).toEqual([
      [1, 0],
      [3, 5],
    ]);
    await log.record(name, failed(1, { generation: 1 }));
    tally = await replayOutcomes(log, name, { signal, trouble: () => {} });
    await rm(join(folder, "in"), { recursive: true });
    await expect(retry(["failed"])).rejects.toThrow(StoreUnavailableError);
    expect(await log.get(name)).toMatchObject({ generation: 2, requeue: ["failed"] });
  });

  it("lets an input fail when its turn comes that leads elsewhere now, or that the disk refuses", async () => {
    await rm(join(folder, "in/1.png"));
    await symlink(join(folder, "elsewhere.png"), join(folder, "in/1.png"));
    await writeFile(join(folder, "elsewhere.png"), "secret");
    mountFailingFile(join(folder, "in/2.png"));
    try {
      await retry(["failed", "dead"]);
    } finally {
      unmountFailingFile(join(folder, "in/2.png"));
    }
    expect((await queued()).map(({ index, bytes }) => [index, bytes])).toEqual([
      [1, 0],
      [2, 0],
      [3, 5],
    ]);
    expect(await log.get(name)).toMatchObject({ generation: 1, requeue: [], requeued: 3 });
  });

  it("that was cut off is gone on with, and every item counts once", async () => {
    let records = 0;
    const breaking: JobLog = Object.create(log, {
      publish: { value: log.publish.bind(log) },
      exhume: { value: log.exhume.bind(log) },
      outcomes: { value: log.outcomes.bind(log) },
      update: { value: log.update.bind(log) },
      record: {
        value: async (of: string, outcome: ItemOutcome) => {
          if (++records > 1) throw new RetryableError("the broker is gone");
          await log.record(of, outcome);
        },
      },
    });
    await expect(retry(["failed", "dead"], breaking)).rejects.toThrow("the broker is gone");
    const job = (await log.get(name))!;
    expect(job).toMatchObject({ generation: 1, requeue: ["failed", "dead"], requeued: 0 });
    // Another coordinator, which knows what the log says.
    const known = async () => {
      tally = await replayOutcomes(log, name, { signal, trouble: () => {} });
      return tally.requeuedIn(1);
    };
    await expect.poll(known, { timeout: 20_000 }).toBe(1);
    await requeueItems({ log, input, job, tally, signal, now });
    expect(tally.requeuedIn(1)).toBe(3);
    expect(await log.get(name)).toMatchObject({ requeue: [], requeued: 3 });
    const found = (await queued()).map(({ index, generation }) => `${index} of ${generation}`);
    expect([...new Set(found)].sort()).toEqual(["1 of 1", "2 of 1", "3 of 1"]);
    expect((await replayOutcomes(log, name, { signal, trouble: () => {} })).byStatus).toEqual(tally.byStatus);
  });
});
