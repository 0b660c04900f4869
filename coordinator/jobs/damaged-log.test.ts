/** Coordinators whose log holds what cannot be read: it costs the job it is of, and no other. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FatalError, RetryableError } from "../../shared/errors.js";
import { damage, writeDamaged } from "../../test/damaged-files.js";
import { type JobFixture, openJobFixture } from "../../test/job-fixture.js";
import { itemOutcome, workItem } from "../../test/job-samples.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { EmbeddedLog } from "./embedded-log/embedded-log.js";

let fixture: JobFixture;
const unhandled: unknown[] = [];
const onUnhandled = (error: unknown) => unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", onUnhandled);
});
afterEach(async () => {
  await fixture.close();
  process.off("unhandledRejection", onUnhandled);
  // Of a coordinator, each would have been the end.
  expect(unhandled).toEqual([]);
});

const waiting = { timeout: 20_000, interval: 10 };

const start = async (...args: Parameters<JobFixture["record"]>) => {
  const { job } = await fixture.log.create(fixture.record(...args));
  fixture.engine.follow(job);
};

const until = (name: string, state: string) =>
  vi.waitFor(async () => expect(await fixture.log.get(name)).toMatchObject({ state }), waiting);

const troubles = (name: string) =>
  fixture.events.flatMap((event) =>
    event.event === "job-trouble" && event.job.spec.name === name ? [event.message] : [],
  );

const fileOf = (name: string, file: string) => join(fixture.folder, "log", "jobs", name, file);

describe("a log of outcomes that is damaged while it is read", () => {
  it("stops the job it is of, which says so, and no other", async () => {
    fixture = await openJobFixture();
    const { input } = fixture;
    await rm(input, { recursive: true });
    for (let index = 0; index < 3; index++) await fixture.log.record("damaged", itemOutcome(index));
    // What was recorded is read when the job begins, and once more when its stores are open.
    await start("damaged");
    await until("damaged", "paused");
    await damage(fileOf("damaged", "outcomes.log"));
    await mkdir(input);
    await fixture.inputs("a.png");
    await vi.waitFor(
      () => expect(troubles("damaged")[0]).toMatch(/outcomes.log is damaged at byte 0/),
      waiting,
    );
    await start("sound", { output: `${fixture.spec("sound").output}/sound` });
    await until("sound", "finished");
    expect((await fixture.log.get("damaged"))?.finishedAt).toBeNull();
  });
});

describe("a log of outcomes that is damaged before it is read", () => {
  it("leaves nobody waiting for what it would say, and is read again once it is restored", async () => {
    fixture = await openJobFixture();
    await fixture.inputs("a.png");
    const path = fileOf("a", "outcomes.log");
    const note = { status: "retried", output: null, sha256: null } as const;
    await writeDamaged(path, itemOutcome(0, note), itemOutcome(0, note));
    await start("a");
    const { engine } = fixture;
    await expect(engine.tally(engine.runner("a")!.job)).rejects.toThrow(/outcomes.log is damaged at byte 0/);
    expect(engine.runner("a")?.trouble).toMatch(/is damaged/);
    await damage(path);
    await until("a", "finished");
    expect((await engine.tally((await fixture.log.get("a"))!)).byStatus.done).toBe(1);
  });
});

describe("a queue that is damaged", () => {
  it("is told of, and worked on once it is restored", async () => {
    fixture = await openJobFixture();
    await fixture.inputs(workItem(0).key);
    const path = fileOf("a", "items.log");
    await writeDamaged(path, workItem(0), workItem(0));
    await fixture.log.create({ ...fixture.record("a"), listed: 1, listedAll: true });
    const { engine } = fixture;
    await vi.waitFor(
      () => expect(engine.runner("a")?.trouble).toMatch(/items.log is damaged at byte 0/),
      waiting,
    );
    expect(troubles("a")).toHaveLength(1);
    await damage(path);
    await until("a", "finished");
  });
});

describe("a record that cannot be changed while the job is paused", () => {
  it("is told, and changed when it can be", async () => {
    const place = await temporaryFolder();
    const log = await EmbeddedLog.open(place);
    const update = log.update.bind(log);
    let failures = 0;
    log.update = async (name, change) => {
      const job = await log.get(name);
      if (job?.state === "paused" && change(job)?.state === "active" && failures++ === 0) {
        throw new FatalError("the record cannot be written");
      }
      return update(name, change);
    };
    fixture = await openJobFixture({ openLog: async () => log });
    await fixture.inputs("a.png");
    const { output } = fixture;
    fixture.onBegin = async () => {
      fixture.onBegin = () => {};
      await rm(output, { recursive: true });
      throw new RetryableError("the output is gone");
    };
    await start("a");
    await until("a", "paused");
    await mkdir(output);
    await until("a", "finished");
    expect(troubles("a")).toEqual(["the record cannot be written"]);
  });
});

describe("a log that cannot be watched", () => {
  it("is told, and watched again", async () => {
    const log = await EmbeddedLog.open(await temporaryFolder());
    const watch = log.watch.bind(log);
    let failures = 0;
    log.watch = (signal) => {
      if (failures++ === 0) throw new FatalError("no permission");
      return watch(signal);
    };
    fixture = await openJobFixture({ openLog: async () => log });
    await fixture.inputs("a.png");
    await log.create(fixture.record("a"));
    await until("a", "finished");
    expect(fixture.events[0]).toEqual({ event: "log-trouble", name: null, message: "no permission" });
  });
});
