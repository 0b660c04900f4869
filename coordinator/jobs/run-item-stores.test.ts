import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { JobState } from "../../shared/jobs/job.js";
import type { WorkItem } from "../../shared/jobs/work-item.js";
import { StoreFullError, StoreUnavailableError } from "../../shared/storage/object-store.js";
import { ItemScene } from "../../test/item-scene.js";
import { itemOutcome } from "../../test/job-samples.js";
import { type Restoring, runItem } from "./run-item.js";

const scene = new ItemScene();
const { take, copy, context, outcomes, settled } = scene;

describe("runItem, whose store", () => {
  it("waits while a store is unavailable: a fault of the store costs the item no delivery", async () => {
    // The folder is gone, then somebody makes it again.
    await rm(join(scene.folder, "store"), { recursive: true });
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
          if (state === "paused") await mkdir(join(scene.folder, "store"));
          state = "active";
          return state;
        },
      }),
    );
    expect(pauses).toEqual([expect.stringContaining(join(scene.folder, "store"))]);
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
        if (others) scene.tally.apply(itemOutcome(pauses.length, { status: "done" }));
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
});
