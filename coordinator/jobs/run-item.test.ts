import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FatalError, PictureError, RetryableError, ReturnedError } from "../../shared/errors.js";
import type { JobState } from "../../shared/jobs/job.js";
import { ItemScene } from "../../test/item-scene.js";
import { itemOutcome, workItem } from "../../test/job-samples.js";
import type { JobLog } from "./job-log.js";
import { ItemWithdrawn, type RestoredItem, type Restoring, runItem } from "./run-item.js";
import { Tally } from "./tally.js";

const scene = new ItemScene();
const { take, copy, context, outcomes, letters, settled } = scene;

const failing = (message: string) => async (): Promise<RestoredItem> => {
  throw new RetryableError(message);
};

describe("runItem", () => {
  it("records what was restored, then settles", async () => {
    await runItem(await take(), context());
    expect(await outcomes()).toEqual(scene.told);
    expect(scene.told).toMatchObject([
      { index: 0, key: "folder/0.png", status: "done", output: "folder/0.png", deliveries: 1, errors: [] },
    ]);
    expect(await readFile(join(scene.folder, "store/folder/0.png"), "utf8")).toBe("folder/0.png");
    await settled();
  });

  it("settles nothing before its outcome is durable, and records nothing before its output is visible", async () => {
    const order: string[] = [];
    const taken = await take();
    const noting: Pick<JobLog, "record" | "bury"> = {
      record: async (of, outcome) => {
        expect(await scene.store.describe("folder/0.png")).toBeDefined();
        await scene.log.record(of, outcome);
        order.push("recorded");
      },
      bury: (of, letter) => scene.log.bury(of, letter),
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
    await scene.log.publish(scene.job, [workItem(0)]);
    await writeFile(join(scene.folder, "store/folder/0.png"), "changed since");
    await runItem(await take(), context());
    expect(await readFile(join(scene.folder, "store/folder/0.png"), "utf8")).toBe("changed since");
    expect(await outcomes()).toHaveLength(1);
    await settled();
    // Unless it was published anew.
    await scene.log.publish(scene.job, [workItem(0, 1)]);
    await runItem(await take(), context());
    expect((await outcomes()).map(({ generation }) => generation)).toEqual([0, 1]);
  });

  it("records no second outcome where another coordinator was quicker", async () => {
    const restore = async () => {
      const restored = await copy("folder/0.png");
      // As it is read from the log meanwhile.
      scene.tally.apply(itemOutcome(0, { key: "folder/0.png", ...restored }));
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
    expect(await scene.log.backlog(scene.job)).toEqual({ queued: 1, taken: 0 });
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
      bury: (of, letter) => scene.log.bury(of, letter),
    };
    await runItem(await take(), context({ restore, signal: stop.signal, log: full }));
    expect(await scene.log.backlog(scene.job)).toEqual({ queued: 1, taken: 0 });
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
    scene.tally = new Tally();
    for (const outcome of await outcomes()) scene.tally.apply(outcome);
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
        await scene.log.record(of, outcome);
      },
      bury: (of, letter) => scene.log.bury(of, letter),
    };
    await runItem(await take(), context({ log: flaky, trouble: (error) => troubles.push(error) }));
    expect(refused).toBe(3);
    expect(troubles).toEqual([1, 2].map(() => new RetryableError("the broker is gone")));
    expect(await outcomes()).toMatchObject([{ status: "done" }]);
    await settled();
  });
});
