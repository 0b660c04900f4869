import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../shared/errors.js";
import { jobLogConformance } from "../../../test/job-log-conformance.js";
import { LogProcess } from "../../../test/job-log-process.js";
import { jobRecord, workItem } from "../../../test/job-samples.js";
import { temporaryFolder } from "../../../test/small-pictures.js";
import { EmbeddedLog } from "./embedded-log.js";

describe("the embedded log", () => {
  jobLogConformance(async () => ({ kind: "embedded", place: await temporaryFolder() }), false);
});

describe("the embedded log's folder", () => {
  it("is used by one process at a time, and by the next as soon as that one is dead", async () => {
    const place = await temporaryFolder();
    const holder = await LogProcess.start({ kind: "embedded", place });
    await expect(EmbeddedLog.open(place)).rejects.toThrow(InputError);
    await expect(EmbeddedLog.open(place)).rejects.toThrow(new RegExp(`${place} is in use by process \\d+: `));
    holder.stop();
    await expect(EmbeddedLog.open(place)).rejects.toThrow(/is in use by another process/);
    await holder.kill();
    const log = await EmbeddedLog.open(place);
    expect((await readdir(place)).filter((name) => name.startsWith("lock"))).toEqual(["lock.2"]);
    await log.close();
    expect((await readdir(place)).filter((name) => name.startsWith("lock"))).toEqual([]);
  });

  it("is never used by two of many who want it at once", async () => {
    const place = await temporaryFolder();
    const killed = await LogProcess.start({ kind: "embedded", place });
    await killed.kill();
    for (let round = 0; round < 5; round++) {
      const opened = await Promise.allSettled(Array.from({ length: 6 }, () => EmbeddedLog.open(place)));
      const logs = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      expect(logs.length).toBeLessThanOrEqual(1);
      for (const log of logs) await log.close();
    }
    await (await EmbeddedLog.open(place)).close();
  });

  it("may have a path longer than a socket's", async () => {
    const place = join(await temporaryFolder(), "a".repeat(100), "b".repeat(100));
    const log = await EmbeddedLog.open(place);
    await expect(EmbeddedLog.open(place)).rejects.toThrow(/in use by process/);
    await log.close();
    await (await EmbeddedLog.open(place)).close();
  });

  it("is named where it cannot be made", async () => {
    await expect(EmbeddedLog.open("/dev/null/log")).rejects.toThrow(/\/dev\/null\/log cannot be made/);
  });

  it("keeps one line a job in the long run, not one a change", async () => {
    const place = await temporaryFolder();
    const log = await EmbeddedLog.open(place);
    await log.create(jobRecord("photos"));
    await log.create(jobRecord("other"));
    const cursor = "x".repeat(10_000);
    for (let listed = 1; listed <= 300; listed++) {
      await log.update("photos", (job) => ({ ...job, listed, cursor }));
    }
    await log.close();
    expect((await stat(join(place, "jobs.log"))).size).toBeLessThan(1_200_000);
    const again = await EmbeddedLog.open(place);
    expect(await again.get("photos")).toEqual(jobRecord("photos", { listed: 300, cursor }));
    expect(await again.get("other")).toEqual(jobRecord("other"));
    await again.close();
  });

  it("refuses names that are no jobs' names", async () => {
    const log = await EmbeddedLog.open(await temporaryFolder());
    await expect(log.publish("../evil", [workItem(0)])).rejects.toThrow(InputError);
    await expect(log.publish("../evil", [workItem(0)])).rejects.toThrow(/"\.\.\/evil"/);
    await log.close();
  });
});
