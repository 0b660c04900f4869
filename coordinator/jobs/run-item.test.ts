import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FatalError, PictureError, RetryableError, ReturnedError } from "../../shared/errors.js";
import type { JobState } from "../../shared/jobs/job.js";
import type { ItemOutcome, WorkItem } from "../../shared/jobs/work-item.js";
import { FolderStore } from "../../shared/storage/folder-store.js";
import { StoreFullError, StoreUnavailableError } from "../../shared/storage/object-store.js";
import { itemOutcome, workItem } from "../../test/job-samples.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { EmbeddedLog } from "./embedded-log/embedded-log.js";
import type { DeadLetter, JobLog, TakenItem } from "./job-log.js";
import { type ItemContext, ItemWithdrawn, type RestoredItem, type Restoring, runItem } from "./run-item.js";
import { Tally } from "./tally.js";

let folder: string;
let log: EmbeddedLog;
let store: FolderStore;
let tally: Tally;
let told: ItemOutcome[];
const name = "photos";
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, "store"));
  store = await FolderStore.open(join(folder, "store"), { create: false });
  log = await EmbeddedLog.open(join(folder, "log"));
  await log.publish(name, [workItem(0)]);
  tally = new Tally();
  told = [];
});
afterEach(() => log.close());

/** The item; waits for it. */
async function take(): Promise<TakenItem> {
  const [taken] = await log.take(name, 1, { waitMilliseconds: 20_000, signal: never });
  return taken;
}

/** Writes the item's key to the store. */
async function copy(key: string): Promise<RestoredItem> {
  const sha256 = await store.write(key, Buffer.from(key));
  return {
    ...{ output: key, sha256, worker: "w", plan: "serial" },
    ...{ rounds: null, evaluations: 4, residual: null, consistency: 0, psnr: null, ssim: null },
  };
}

const context = (change: Partial<ItemContext> = {}): ItemContext => ({
  job: name,
  maxDeliveries: 3,
  log,
  tally,
  retryTimes: { shortest: 1, longest: 1 },
  restore: ({ key }) => copy(key),
  signal: never,
  trouble: () => {},
  now: () => new Date(),
  proceed: async () => "active",
  pause: async () => {},
  check: async () => {},
  onBegin: () => {},
  onWait: () => {},
  onRound: () => {},
  onOutcome: (outcome) => told.push(outcome),
  ...change,
});

async function outcomes(): Promise<ItemOutcome[]> {
  const all: ItemOutcome[] = [];
  for await (const outcome of log.outcomes(name, { follow: false, signal: never })) all.push(outcome);
  return all;
}

async function letters(): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  for await (const letter of log.deadLetters(name)) all.push(letter);
  return all;
}

const settled = async () => expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });

const failing = (message: string) => async (): Promise<RestoredItem> => {
  throw new RetryableError(message);
};

describe("runItem", () => {
  it("records what was restored, then settles", async () => {
    await runItem(await take(), context());
    expect(await outcomes()).toEqual(told);
    expect(told).toMatchObject([
      { index: 0, key: "folder/0.png", status: "done", output: "folder/0.png", deliveries: 1, errors: [] },
    ]);
    expect(await readFile(join(folder, "store/folder/0.png"), "utf8")).toBe("folder/0.png");
    await settled();
  });

  it("settles nothing before its outcome is durable, and records nothing before its output is visible", async () => {
    const order: string[] = [];
    const taken = await take();
    const noting: Pick<JobLog, "record" | "bury"> = {
      record: async (of, outcome) => {
        expect(await store.describe("folder/0.png")).toBeDefined();
        await log.record(of, outcome);
        order.push("recorded");
      },
      bury: (of, letter) => log.bury(of, letter),
    };
    const settling = {
      ...taken,
      settle: async () => {
        order.push("settled");
        await taken.settle();
      },
    };
    await runItem(settling, context({ log: noting }));
    expect(order).toEqual(["recorded", "settled"]);
  });

  it("tries an error again that may pass, alone in the end, and remembers all of them", async () => {
    const how: boolean[] = [];
    const restore = async (_: unknown, { alone }: Restoring) => {
      how.push(alone);
      if (how.length < 3) throw new RetryableError(`lost ${how.length}`);
      return copy("folder/0.png");
    };
    for (let delivery = 1; delivery <= 3; delivery++) {
      const taken = await take();
      expect(taken.delivery).toBe(delivery);
      await runItem(taken, context({ restore }));
    }
    expect(how).toEqual([false, false, true]);
    expect((await outcomes()).map(({ status, errors }) => [status, errors])).toEqual([
      ["retried", ["lost 1"]],
      ["retried", ["lost 1", "lost 2"]],
      ["done", ["lost 1", "lost 2"]],
    ]);
    expect(await letters()).toEqual([]);
    await settled();
  });

  it("gives an item up after its last delivery, as a dead letter with all errors", async () => {
    for (const message of ["a", "b", "c"])
      await runItem(await take(), context({ restore: failing(message) }));
    expect(await letters()).toMatchObject([{ item: workItem(0), errors: ["a", "b", "c"] }]);
    expect((await outcomes()).at(-1)).toMatchObject({
      status: "dead",
      errors: ["a", "b", "c"],
      deliveries: 3,
    });
    await settled();
  });

  it("gives up what was given out too often without a word, and does not try it", async () => {
    for (let delivery = 1; delivery <= 3; delivery++) await (await take()).giveBack(0);
    let tried = false;
    const restore = async () => {
      tried = true;
      return copy("folder/0.png");
    };
    await runItem(await take(), context({ restore }));
    expect(tried).toBe(false);
    expect(await letters()).toMatchObject([{ errors: [expect.stringMatching(/given out 3 times/)] }]);
  });

  it("does not try again what would end the same way", async () => {
    const restore = async (): Promise<RestoredItem> => {
      throw new PictureError("no picture");
    };
    await runItem(await take(), context({ restore }));
    expect(await outcomes()).toMatchObject([{ status: "failed", errors: ["no picture"], deliveries: 1 }]);
    await settled();
  });

  it("waits while a store is unavailable: a fault of the store costs the item no delivery", async () => {
    // The folder is gone, then somebody makes it again.
    await rm(join(folder, "store"), { recursive: true });
    const pauses: string[] = [];
    let state: JobState = "active";
    await runItem(
      await take(),
      context({
        pause: async (reason) => {
          pauses.push(reason);
          state = "paused";
        },
        proceed: async () => {
          if (state === "paused") await mkdir(join(folder, "store"));
          state = "active";
          return state;
        },
      }),
    );
    expect(pauses).toEqual([expect.stringContaining(join(folder, "store"))]);
    expect(await outcomes()).toMatchObject([{ status: "done", deliveries: 1, errors: [] }]);
    await settled();
  });

  it.each([
    { of: "by several workers while others are restored", workers: ["v", "w"], others: true, times: 3 },
    { of: "by one while others are restored", workers: ["w"], others: true, times: 6 },
    { of: "while none is restored", workers: ["v", "w"], others: false, times: 8 },
  ])(
    "fails an item that a store refuses $of, and can be used all the same",
    async ({ workers, others, times }) => {
      const pauses: string[] = [];
      const pause = async (reason: string) => {
        pauses.push(reason);
        if (others) tally.apply(itemOutcome(pauses.length, { status: "done" }));
      };
      const restore = async ({ key }: WorkItem, { onBegin }: Restoring) => {
        if (pauses.length > 20) return copy(key);
        onBegin(workers[pauses.length % workers.length]!);
        throw new StoreUnavailableError("s3://photos/folder/0.png cannot be read: access is denied");
      };
      await runItem(await take(), context({ restore, pause }));
      expect(pauses).toHaveLength(times - 1);
      const [{ status, errors, deliveries }] = await outcomes();
      expect([status, deliveries]).toEqual(["failed", 1]);
      expect(errors).toEqual([
        `folder/0.png was refused ${times} times by a store that can be used (s3://photos/folder/0.png cannot be read: access is denied); mend it, then: deqfleet retry photos --failed`,
      ]);
      await settled();
    },
  );

  it.each([
    { of: "a store that cannot be used from here either", error: new StoreUnavailableError("no answer") },
    { of: "a full one, though a probe finds room", error: new StoreFullError("no space left") },
  ])("waits as long as it takes for $of", async ({ error }) => {
    let pauses = 0;
    const restore = async ({ key }: WorkItem) => {
      if (pauses < 15) throw error;
      return copy(key);
    };
    const pause = async () => {
      pauses++;
    };
    const check = async () => {
      if (!(error instanceof StoreFullError)) throw error;
    };
    await runItem(await take(), context({ restore, pause, check }));
    expect(pauses).toBe(15);
    expect(await outcomes()).toMatchObject([{ status: "done", deliveries: 1, errors: [] }]);
  });

  it("waits likewise when it is withdrawn, and is dropped once the job is cancelled", async () => {
    const states: JobState[] = ["active", "active", "cancelled"];
    let tries = 0;
    const restore = async (): Promise<RestoredItem> => {
      tries++;
      throw new ItemWithdrawn("the job is not active any more");
    };
    await runItem(await take(), context({ restore, proceed: async () => states.shift() ?? "cancelled" }));
    expect(tries).toBe(2);
    expect(await outcomes()).toMatchObject([{ status: "dropped", output: null }]);
    await settled();
  });

  it("does nothing for an item that has an outcome but settle it", async () => {
    await runItem(await take(), context());
    await log.publish(name, [workItem(0)]);
    await writeFile(join(folder, "store/folder/0.png"), "changed since");
    await runItem(await take(), context());
    expect(await readFile(join(folder, "store/folder/0.png"), "utf8")).toBe("changed since");
    expect(await outcomes()).toHaveLength(1);
    await settled();
    // Unless it was published anew.
    await log.publish(name, [workItem(0, 1)]);
    await runItem(await take(), context());
    expect((await outcomes()).map(({ generation }) => generation)).toEqual([0, 1]);
  });

  it("records no second outcome where another coordinator was quicker", async () => {
    const restore = async () => {
      const restored = await copy("folder/0.png");
      // As it is read from the log meanwhile.
      tally.apply(itemOutcome(0, { key: "folder/0.png", ...restored }));
      return restored;
    };
    await runItem(await take(), context({ restore }));
    expect(await outcomes()).toEqual([]);
    await settled();
  });

  it("gives an item back when the coordinator stops", async () => {
    const stop = new AbortController();
    const restore = async (): Promise<RestoredItem> => {
      stop.abort(new RetryableError("the coordinator stops"));
      throw stop.signal.reason;
    };
    await runItem(await take(), context({ restore, signal: stop.signal }));
    expect(await outcomes()).toMatchObject([{ status: "returned", errors: [], deliveries: 1 }]);
    expect(await log.backlog(name)).toEqual({ queued: 1, taken: 0 });
    expect((await take()).delivery).toBe(2);
  });

  it("gives an item back though it cannot be noted any more, when the coordinator stops", async () => {
    const stop = new AbortController();
    const restore = async (): Promise<RestoredItem> => {
      stop.abort(new RetryableError("the coordinator stops"));
      throw stop.signal.reason;
    };
    const full: Pick<JobLog, "record" | "bury"> = {
      record: () => Promise.reject(new FatalError("the disk is full")),
      bury: (of, letter) => log.bury(of, letter),
    };
    await runItem(await take(), context({ restore, signal: stop.signal, log: full }));
    expect(await log.backlog(name)).toEqual({ queued: 1, taken: 0 });
  });

  it("counts no delivery as a try that was returned, by whichever coordinator", async () => {
    const stop = new AbortController();
    const returning = async (): Promise<RestoredItem> => {
      throw new ReturnedError("the worker is draining");
    };
    const stopping = async (): Promise<RestoredItem> => {
      stop.abort();
      throw stop.signal.reason;
    };
    await runItem(await take(), context({ restore: returning }));
    await runItem(await take(), context({ restore: failing("a") }));
    await runItem(await take(), context({ restore: returning }));
    await runItem(await take(), context({ restore: stopping, signal: stop.signal }));
    await runItem(await take(), context({ restore: failing("b") }));
    // What another coordinator knows is what it read.
    tally = new Tally();
    for (const outcome of await outcomes()) tally.apply(outcome);
    const how: boolean[] = [];
    const restore = async (_: unknown, { alone }: Restoring) => {
      how.push(alone);
      throw new RetryableError("c");
    };
    await runItem(await take(), context({ restore }));
    expect(how).toEqual([true]);
    expect((await outcomes()).map(({ status }) => status)).toEqual([
      ...["returned", "retried", "returned", "returned", "retried", "dead"],
    ]);
    expect(await letters()).toMatchObject([{ errors: ["a", "b", "c"] }]);
    await settled();
  });

  it("insists on the log while it is unreachable, and tells of it", async () => {
    let refused = 0;
    const troubles: unknown[] = [];
    const flaky: Pick<JobLog, "record" | "bury"> = {
      record: async (of, outcome) => {
        if (++refused < 3) throw new RetryableError("the broker is gone");
        await log.record(of, outcome);
      },
      bury: (of, letter) => log.bury(of, letter),
    };
    await runItem(await take(), context({ log: flaky, trouble: (error) => troubles.push(error) }));
    expect(refused).toBe(3);
    expect(troubles).toEqual([1, 2].map(() => new RetryableError("the broker is gone")));
    expect(await outcomes()).toMatchObject([{ status: "done" }]);
    await settled();
  });
});
