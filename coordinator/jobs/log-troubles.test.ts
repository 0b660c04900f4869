/** What a coordinator tells of its jobs while their log is in trouble. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import { type JobFixture, openJobFixture } from "../../test/job-fixture.js";
import { mountTinyDisk, unmountTinyDisk } from "../../test/tiny-disk.js";

let fixture: JobFixture;
afterEach(() => fixture.close());

const waiting = { timeout: 20_000, interval: 10 };

const troublesOf = (name: string): string[] =>
  fixture.events.flatMap((event) =>
    event.event === "job-trouble" && event.job.spec.name === name ? [event.message] : [],
  );

const finished = (name: string) =>
  vi.waitFor(async () => expect((await fixture.log.get(name))?.state).toBe("finished"), waiting);

it("tells of a queue that is damaged, once for all attempts, and works off the other jobs", async () => {
  fixture = await openJobFixture({ seats: 1, members: 1 });
  const { folder } = fixture;
  await fixture.inputs("0.png", "1.png", "2.png", "3.png");
  fixture.onBegin = (key) => (key === "2.png" ? new Promise(() => {}) : undefined);
  await fixture.log.create(fixture.record("damaged"));
  await vi.waitFor(() => expect(fixture.begun).toHaveLength(3), waiting);
  await fixture.engine.close();
  await fixture.log.close();
  const marks = join(folder, "log/jobs/damaged/marks.log");
  await writeFile(marks, (await readFile(marks, "utf8")).replace("taken", "tiken"));

  fixture = await openJobFixture({ folder });
  await vi.waitFor(() => expect(troublesOf("damaged")).not.toEqual([]), waiting);
  // Within this time it is tried twice at least.
  await delay(2500);
  expect(troublesOf("damaged")).toEqual([
    expect.stringMatching(/marks\.log is damaged at byte 0.*Restore the file/),
  ]);
  await fixture.log.create(fixture.record("sound"));
  await finished("sound");
  expect(troublesOf("sound")).toEqual([]);
});

it("tells of outcomes that cannot be recorded for want of room, and goes on when there is some", async () => {
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-troubles-"));
  const disk = join(folder, "log");
  await mkdir(disk);
  expect(mountTinyDisk(disk)).toBe(true);
  try {
    fixture = await openJobFixture({ folder });
    await fixture.inputs("0.png", "1.png", "2.png");
    fixture.onBegin = async () => {
      await vi.waitFor(async () => expect((await fixture.log.get("a"))?.listedAll).toBe(true), waiting);
      await writeFile(join(disk, "ballast"), Buffer.alloc(64 * 1024)).catch(() => {});
    };
    await fixture.log.create(fixture.record("a"));
    await vi.waitFor(() => expect(troublesOf("a")).not.toEqual([]), waiting);
    // Three items are insisted on several times meanwhile.
    await delay(1500);
    expect(troublesOf("a")).toEqual([
      expect.stringMatching(/outcomes\.log cannot be written: .*no space left/i),
    ]);
    execFileSync("mount", ["-o", "remount,size=8m", disk]);
    await finished("a");
    expect(await fixture.outputs()).toEqual(["0.png", "1.png", "2.png"]);
  } finally {
    await fixture.engine.close();
    await fixture.log.close();
    unmountTinyDisk(disk);
  }
});
