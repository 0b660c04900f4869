import { mkdir, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { type JobFixture, openJobFixture } from "../../test/job-fixture.js";
import { workItem } from "../../test/job-samples.js";
import { cancelled, resumed } from "./job-requests.js";

let fixture: JobFixture;
afterEach(async () => {
  await fixture.close();
});

const until = (name: string, change: object) =>
  vi.waitFor(async () => expect(await fixture.log.get(name)).toMatchObject(change), {
    timeout: 20_000,
    interval: 10,
  });

describe("a job whose stores cannot be opened", () => {
  it("comes to its end when it is cancelled, and goes on when it is submitted again and they can", async () => {
    fixture = await openJobFixture();
    const { engine, log, input } = fixture;
    const items = [workItem(0), workItem(1)];
    await rm(input, { recursive: true });
    // Listed before the input went away.
    await log.create({ ...fixture.record("a"), listed: 2, listedAll: true });
    await log.publish("a", items);
    await until("a", { state: "paused", pausedBecause: expect.stringContaining(input) });
    await engine.update("a", (job) => cancelled(job, new Date()));
    await until("a", { state: "cancelled", finishedAt: expect.any(String), counts: { dropped: 2 } });
    await vi.waitFor(() => expect(engine.runner("a")).toBeUndefined());

    await engine.update("a", (job) => resumed(job, new Date()));
    await until("a", { state: "paused" });
    await mkdir(input);
    await fixture.inputs(...items.map(({ key }) => key));
    await until("a", { state: "finished", counts: { done: 2, failed: 0, dead: 0, dropped: 0 } });
    await engine.delete("a");
    expect(await log.list()).toEqual([]);
  });

  it("goes on although it was cancelled meanwhile, if it is submitted again before it has ended", async () => {
    fixture = await openJobFixture();
    const { engine, log, input } = fixture;
    await rm(input, { recursive: true });
    await log.create({ ...fixture.record("a"), listed: 1, listedAll: true });
    await until("a", { state: "paused" });
    // Its only item is in no queue yet: it cannot be dropped.
    await engine.update("a", (job) => cancelled(job, new Date()));
    const isKept = async () => {
      const held = await log.hold("a");
      await held?.release();
      return held === undefined;
    };
    await expect.poll(isKept, { timeout: 20_000, interval: 200 }).toBe(true);
    await engine.update("a", (job) => resumed(job, new Date()));
    await until("a", { state: "paused" });
    await mkdir(input);
    await fixture.inputs(workItem(0).key);
    await log.publish("a", [workItem(0, 1)]);
    await until("a", { state: "finished", counts: { done: 1 } });
  });
});

describe("a job that pauses for its stores", () => {
  it("takes nothing more, however often it goes on, while what it has in hand waits for workers", async () => {
    fixture = await openJobFixture({ seats: 2, members: 1 });
    await fixture.inputs(...Array.from({ length: 40 }, (_, i) => `${i}.png`));
    fixture.onBegin = () => {
      if (fixture.pauses().length <= 2) throw new StoreUnavailableError("the store is away");
      return new Promise(() => {});
    };
    await fixture.log.create(fixture.record("a"));
    const inHand: number[] = [];
    for (const pauses of [1, 2]) {
      await vi.waitFor(() => expect(fixture.pauses()).toHaveLength(pauses), {
        timeout: 20_000,
        interval: 10,
      });
      await delay(50);
      inHand.push(fixture.engine.running("a").length);
      // While it waits for a worker it has none.
      expect(fixture.engine.running("a").every(({ worker }) => worker === null)).toBe(true);
    }
    // Two at work and one that waits, and one more for each seat that was free before it was known that its item waits again.
    expect(Math.max(...inHand)).toBeLessThanOrEqual(5);
  });
});
