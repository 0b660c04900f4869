import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mountFailingFile, unmountFailingFile } from "../../test/faulty-files.js";
import { type JobFixture, openJobFixture } from "../../test/job-fixture.js";
import { retried } from "./job-requests.js";

let fixture: JobFixture;
let bad: string;
beforeEach(async () => {
  fixture = await openJobFixture();
  await fixture.inputs("a.png", "c.png", "d.png");
  bad = join(fixture.input, "b.png");
  mountFailingFile(bad);
});
afterEach(async () => {
  await fixture.engine.close();
  unmountFailingFile(bad);
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
  it("comes to its end: that picture fails, again when it is retried unmended, and says what to do", async () => {
    const { job } = await fixture.log.create(fixture.record("a"));
    fixture.engine.follow(job);
    expect(await counts(0)).toEqual({ done: 3, failed: 1, dead: 0, dropped: 0 });
    expect(fixture.pauses().length).toBe(2);
    const outcomes = await fixture.outcomes("a");
    expect(outcomes.find(({ key }) => key === "b.png")).toMatchObject({
      status: "failed",
      deliveries: 1,
      errors: [expect.stringMatching(/b\.png was refused 3 times .*EIO.*deqfleet retry a --failed$/)],
    });
    // It cannot be described either, which keeps nothing from being published again.
    await fixture.engine.update("a", (present) => retried(present, ["failed"], new Date()));
    expect(await counts(1)).toEqual({ done: 3, failed: 1, dead: 0, dropped: 0 });
  });
});
