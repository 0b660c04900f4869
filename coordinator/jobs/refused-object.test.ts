import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mountFailingFile, unmountFailingFile } from "../../test/faulty-files.js";
import { type JobFixture, openJobFixture } from "../../test/job-fixture.js";
import { retried } from "./job-requests.js";

let fixture: JobFixture;
let bad: string;
let mended: boolean;
beforeEach(async () => {
  fixture = await openJobFixture();
  await fixture.inputs("a.png", "c.png", "d.png");
  bad = join(fixture.input, "b.png");
  mountFailingFile(bad);
  mended = false;
});
afterEach(async () => {
  await fixture.engine.close();
  if (!mended) unmountFailingFile(bad);
  await fixture.close();
});

const counts = async (generation: number) =>
  vi.waitFor(
    async () => {
      const job = await fixture.log.get("a");
      expect(job?.generation).toBe(generation);
      expect(job?.finishedAt).not.toBeNull();
      return job?.counts;
    },
    { timeout: 30_000, interval: 20 },
  );

describe("a job with an input that the disk refuses", () => {
  it("comes to its end: that picture fails, says what to do, and is restored once it is mended", async () => {
    const { job } = await fixture.log.create(fixture.record("a"));
    fixture.engine.follow(job);
    expect(await counts(0)).toEqual({ done: 3, failed: 1, dead: 0, dropped: 0 });
    const outcomes = await fixture.outcomes("a");
    expect(outcomes.find(({ key }) => key === "b.png")).toMatchObject({
      status: "failed",
      deliveries: 1,
      errors: [expect.stringMatching(/b\.png was refused \d times .*EIO.*deqfleet retry a --failed$/)],
    });
    // It cannot be described either, which keeps nothing from being published again.
    const pauses = fixture.pauses().length;
    await fixture.engine.update("a", (present) => retried(present, ["failed"], new Date()));
    await expect.poll(() => fixture.pauses().length, { timeout: 20_000 }).toBeGreaterThan(pauses);
    unmountFailingFile(bad);
    mended = true;
    expect(await counts(1)).toEqual({ done: 4, failed: 0, dead: 0, dropped: 0 });
  });
});
