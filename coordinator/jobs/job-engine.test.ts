import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { RetryableError } from "../../shared/errors.js";
import { notedStatuses } from "../../shared/jobs/work-item.js";
import { temporaryName } from "../../shared/pictures/temporary-file.js";
import { type JobFixture, openJobFixture } from "../../test/job-fixture.js";
import { mountTinyDisk, unmountTinyDisk } from "../../test/tiny-disk.js";
import { cancelled, resumed, retried } from "./job-requests.js";

let fixture: JobFixture;
afterEach(async () => {
  await fixture.close();
});

const waiting = { timeout: 20_000, interval: 10 };

const finished = async (name: string, state = "finished") => {
  await vi.waitFor(async () => {
    const job = await fixture.log.get(name);
    expect(job?.finishedAt).not.toBeNull();
    expect(job?.state).toBe(state);
  }, waiting);
  return (await fixture.log.get(name))!;
};

const start = async (...args: Parameters<JobFixture["record"]>) => {
  const { job } = await fixture.log.create(fixture.record(...args));
  fixture.engine.follow(job);
};

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => `${String(i).padStart(5, "0")}.png`);

const statuses = async (name: string) => {
  const tally = await fixture.engine.tally((await fixture.log.get(name))!);
  return tally.byStatus;
};

describe("JobEngine", () => {
  it("brings every picture of a folder to an outcome, and passes over what is none", async () => {
    fixture = await openJobFixture();
    await fixture.inputs("b/2.png", "a.jpg", "notes.txt", ".hidden/x.png", "broken.png");
    await start("a");
    const job = await finished("a");
    expect(job).toMatchObject({
      listed: 3,
      listedAll: true,
      cursor: "broken.png",
      counts: { done: 2, failed: 1, dead: 0, dropped: 0 },
    });
    expect(await fixture.outputs()).toEqual(["a.jpg", "b/2.png"]);
    const outcomes = await fixture.outcomes("a");
    expect(outcomes.map(({ index, key, status }) => [index, key, status]).sort()).toEqual([
      [0, "a.jpg", "done"],
      [1, "b/2.png", "done"],
      [2, "broken.png", "failed"],
    ]);
    expect(outcomes.find(({ status }) => status === "failed")?.errors).toEqual(["broken.png: no picture"]);
    expect(await fixture.log.backlog("a")).toEqual({ queued: 0, taken: 0 });
  });

  it("ends at once where the folder was emptied meanwhile", async () => {
    fixture = await openJobFixture();
    await fixture.inputs("notes.txt");
    await start("a");
    expect(await finished("a")).toMatchObject({ listed: 0, listedAll: true });
    expect(await fixture.log.backlog("a")).toEqual({ queued: 0, taken: 0 });
  });

  it("does not take its outputs for inputs where they lie among them", async () => {
    fixture = await openJobFixture();
    await fixture.inputs("a.png", "done [1]/old.png");
    const input = fixture.spec("a").input;
    await start("a", { output: `${input}/done%20%5B1%5D` });
    expect((await finished("a")).counts?.done).toBe(1);
  });

  it("lists thousands while the first are worked on", async () => {
    fixture = await openJobFixture({ seats: 64 });
    await fixture.inputs(...numbered(5000));
    let listedAtFirst = -1;
    fixture.onBegin = async () => {
      if (listedAtFirst < 0) listedAtFirst = (await fixture.log.get("many"))!.listed;
    };
    await start("many");
    const job = await finished("many");
    expect(job.counts).toEqual({ done: 5000, failed: 0, dead: 0, dropped: 0 });
    expect(listedAtFirst).toBeLessThan(5000);
    expect(await fixture.outputs()).toEqual(numbered(5000));
  });

  it("tries poison items again, buries them with all errors, and brings them back on a retry", async () => {
    fixture = await openJobFixture();
    await fixture.inputs("good.png", "poison.png", "broken.png");
    await start("a", { maxDeliveries: 2 });
    await finished("a");
    expect(await statuses("a")).toEqual({ done: 1, failed: 1, dead: 1, dropped: 0 });
    const dead = (await fixture.outcomes("a")).filter(({ key }) => key === "poison.png");
    expect(dead.map(({ status, deliveries, errors }) => [status, deliveries, errors])).toEqual([
      ["retried", 1, ["poison.png: the worker died"]],
      ["dead", 2, ["poison.png: the worker died", "poison.png: the worker died"]],
    ]);
    const letters = await fixture.deadLetters("a");
    expect(letters.map(({ item, errors }) => [item.key, errors.length])).toEqual([["poison.png", 2]]);

    await fixture.engine.update("a", (job) => retried(job, ["dead"], new Date()));
    const again = await finished("a");
    expect(again).toMatchObject({ generation: 1, requeue: [], requeued: 1 });
    expect(fixture.begun.filter((key) => key === "a/poison.png")).toHaveLength(4);
    expect(fixture.begun.filter((key) => key === "a/broken.png")).toHaveLength(1);
    await fixture.engine.update("a", (job) => retried(job, ["failed", "dead"], new Date()));
    await finished("a");
    expect(fixture.begun.filter((key) => key === "a/broken.png")).toHaveLength(2);
    expect(await statuses("a")).toEqual({ done: 1, failed: 1, dead: 1, dropped: 0 });
    expect(await fixture.deadLetters("a")).toHaveLength(1);
  });

  it("drops what nobody has begun when it is cancelled, finishes the rest, and goes on when submitted again", async () => {
    fixture = await openJobFixture({ seats: 2, members: 1 });
    await fixture.inputs(...numbered(40));
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    fixture.onBegin = () => gate;
    await start("a");
    await vi.waitFor(() => expect(fixture.begun).toHaveLength(2), waiting);
    await fixture.engine.update("a", (job) => cancelled(job, new Date()));
    await delay(50);
    release();
    const job = await finished("a", "cancelled");
    expect(job.counts).toMatchObject({ done: 2, failed: 0, dead: 0 });
    expect(job.counts?.dropped).toBe(job.listed - 2);

    await fixture.engine.update("a", (present) => resumed(present, new Date()));
    const resumedJob = await finished("a");
    expect(resumedJob).toMatchObject({ listed: 40, counts: { done: 40, failed: 0, dead: 0, dropped: 0 } });
    expect(await fixture.outputs()).toEqual(numbered(40));
    expect(new Set(fixture.begun).size).toBe(40);
    expect(fixture.begun).toHaveLength(40);
  });

  it("goes on where it was after a restart", async () => {
    fixture = await openJobFixture();
    await fixture.inputs(...numbered(60), "poison.png");
    fixture.onBegin = () => (fixture.begun.length > 20 ? new Promise(() => {}) : undefined);
    await start("a");
    await vi.waitFor(() => expect(fixture.begun.length).toBeGreaterThan(20), waiting);
    const before = (await fixture.outcomes("a")).length;
    expect(before).toBeGreaterThan(0);
    // Those at work never end by themselves: the restart takes them away.
    fixture = await fixture.restart();
    await finished("a");
    expect(await fixture.outputs()).toEqual(numbered(60));
    const lines = await fixture.outcomes("a");
    // The restart is noted of what was at work.
    expect(lines.filter(({ status }) => status === "returned").length).toBeGreaterThan(0);
    const noted: readonly string[] = notedStatuses;
    const ended = lines.filter(({ status }) => !noted.includes(status));
    expect(ended.map(({ index }) => index).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 61 }, (_, i) => i),
    );
    expect(fixture.begun.length).toBeLessThan(61 - before + 3);
  });

  it("waits while the output's disk is full, with the reason, and goes on when there is room", async () => {
    fixture = await openJobFixture();
    await fixture.inputs(...numbered(12));
    const disk = fixture.output;
    expect(mountTinyDisk(disk)).toBe(true);
    try {
      // Less room than a probe asks for, and none at all.
      await writeFile(join(disk, ".deqfleet-ballast"), Buffer.alloc(64 * 1024)).catch(() => {});
      await start("a", { maxDeliveries: 1 });
      await vi.waitFor(async () => expect((await fixture.log.get("a"))?.state).toBe("paused"), waiting);
      expect(fixture.pauses()[0]).toMatch(/\.png cannot be written: .*no space left on the device/);
      const begun = fixture.begun.length;
      expect(begun).toBeLessThan(12);
      // Nothing is begun meanwhile, and what was taken is not lost.
      await delay(1500);
      expect((await fixture.log.get("a"))?.state).toBe("paused");
      expect(fixture.begun).toHaveLength(begun);
      execFileSync("mount", ["-o", "remount,size=8m", disk]);
      const job = await finished("a");
      expect(job).toMatchObject({
        pausedBecause: null,
        counts: { done: 12, failed: 0, dead: 0, dropped: 0 },
      });
      expect((await fixture.outcomes("a")).every(({ deliveries }) => deliveries === 1)).toBe(true);
    } finally {
      await fixture.engine.close();
      unmountTinyDisk(disk);
    }
  });

  it("lets an urgent job pass one that is under way", async () => {
    fixture = await openJobFixture({ seats: 1, members: 1 });
    await fixture.inputs(...numbered(30));
    let urgent = false;
    fixture.onBegin = async (key) => {
      if (key !== "00005.png" || urgent) return;
      urgent = true;
      await start("urgent", { priority: 9, output: `${fixture.spec("a").output}/urgent` });
      await vi.waitFor(
        async () => expect(await fixture.log.backlog("urgent")).toMatchObject({ queued: 30 }),
        waiting,
      );
    };
    await start("a");
    await finished("urgent");
    await finished("a");
    const order = fixture.begun.map((name) => name.split("/")[0]);
    const last = order.lastIndexOf("urgent");
    // Beside the one at work, the next may have been taken already.
    expect(order.slice(6, last).filter((name) => name === "a").length).toBeLessThanOrEqual(2);
    expect(last).toBeLessThan(40);
  });

  it("gives an item that was published twice one outcome", async () => {
    fixture = await openJobFixture({ seats: 1, members: 1 });
    await fixture.inputs(...numbered(20));
    await fixture.log.create(fixture.record("a"));
    // As a coordinator leaves it that dies between publishing its first batch and saying so.
    const items = numbered(16).map((key, index) => ({ index, generation: 0, key, bytes: key.length }));
    await fixture.log.publish("a", items);
    fixture.engine.follow((await fixture.log.get("a"))!);
    expect(await finished("a")).toMatchObject({ listed: 20, counts: { done: 20 } });
    await vi.waitFor(
      async () => expect(await fixture.log.backlog("a")).toEqual({ queued: 0, taken: 0 }),
      waiting,
    );
    const outcomes = await fixture.outcomes("a");
    expect(outcomes.map(({ index }) => index).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
    expect(fixture.begun).toHaveLength(20);
  });

  it("sweeps what killed writers left, when a job begins and when it ends", async () => {
    fixture = await openJobFixture();
    await fixture.inputs("a.png");
    // Of a process that runs no more.
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const own = temporaryName();
    const left = own.replace(`-${process.pid}-`, `-${dead}-`);
    const leave = () => writeFile(join(fixture.output, left), "half a pict");
    await writeFile(join(fixture.output, own), "being written");
    await leave();
    const temporaries = async () =>
      (await readdir(fixture.output)).filter((name) => name.endsWith(".tmp")).sort();
    fixture.onBegin = async () => {
      await vi.waitFor(async () => expect(await temporaries()).toEqual([own]), waiting);
      await leave();
    };
    await start("a");
    await finished("a");
    await vi.waitFor(async () => expect(await temporaries()).toEqual([own]), waiting);
    await rm(join(fixture.output, own));
    expect(await fixture.outputs()).toEqual(["a.png"]);
  });

  it("does not blame an item whose worker found no store where there is none", async () => {
    fixture = await openJobFixture();
    await fixture.inputs("a.png");
    const { output } = fixture;
    let failures = 0;
    fixture.onBegin = async () => {
      if (++failures > 1) return;
      await rm(output, { recursive: true });
      throw new RetryableError(`the folder ${output} does not exist`);
    };
    await start("a");
    await vi.waitFor(() => expect(fixture.pauses()).toHaveLength(1), waiting);
    expect(fixture.pauses()[0]).toContain(output);
    await mkdir(output);
    await finished("a");
    expect(await fixture.outcomes("a")).toMatchObject([{ status: "done", deliveries: 1, errors: [] }]);
  });
});
