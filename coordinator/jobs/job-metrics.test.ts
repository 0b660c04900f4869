import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CoordinatorMetrics } from "../../shared/telemetry/metrics.js";
import { copyingRestoration } from "../../test/copying-restoration.js";
import { writeDamaged } from "../../test/damaged-files.js";
import { jobRecord, workItem } from "../../test/job-samples.js";
import { SeatPool } from "../../test/seat-pool.js";
import { EmbeddedLog } from "./embedded-log/embedded-log.js";
import { JobEngine } from "./job-engine.js";
import { showJobs } from "./job-metrics.js";
import { openJobStores } from "./job-stores.js";

let folder: string;
let log: EmbeddedLog;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-metrics-"));
  log = await EmbeddedLog.open(folder);
});
afterEach(async () => {
  await log.close();
  await rm(folder, { recursive: true, force: true });
});

const valuesOf = async ({ registry }: CoordinatorMetrics, name: string) =>
  (await registry.getSingleMetric(name)!.get()).values.map(({ labels, value }) => ({ ...labels, value }));

/** Not started: it works on nothing. */
function idleEngine(): JobEngine {
  const pool = new SeatPool("model", 1, 1);
  return new JobEngine({
    log,
    pool,
    openStores: openJobStores,
    restoration: copyingRestoration({ pool }),
    onEvent: () => {},
    now: () => new Date("2026-01-01T12:00:00.000Z"),
  });
}

describe("showJobs", () => {
  it("tells how long ago jobs were submitted that are not at their end", async () => {
    const engine = idleEngine();
    const submitted = { createdAt: "2026-01-01T11:00:00.000Z" };
    await log.create({ ...jobRecord("waiting"), ...submitted });
    const ended = { state: "finished", finishedAt: "2026-01-01T11:30:00.000Z" } as const;
    await log.create({ ...jobRecord("ended"), ...submitted, ...ended });
    const metrics = new CoordinatorMetrics();
    await showJobs(metrics, engine);
    expect(await valuesOf(metrics, "deqfleet_job_age_seconds")).toEqual([{ job: "waiting", value: 3600 }]);
    expect(await valuesOf(metrics, "deqfleet_jobs")).toContainEqual({ state: "finished", value: 1 });
  });

  it("counts the queues it can read where another is damaged", async () => {
    const queues = join(folder, "jobs");
    await writeDamaged(join(queues, "marks", "marks.log"), { settled: [0, 0] }, { settled: [1, 1] });
    await writeDamaged(join(queues, "items", "items.log"), workItem(0), workItem(1));
    for (const name of ["items", "marks", "sound"]) await log.create(jobRecord(name));
    await log.publish("sound", [workItem(0)]);
    const metrics = new CoordinatorMetrics();
    await showJobs(metrics, idleEngine());
    expect(await valuesOf(metrics, "deqfleet_queue_items")).toEqual([
      { job: "sound", state: "queued", value: 1 },
      { job: "sound", state: "taken", value: 0 },
    ]);
    expect(await valuesOf(metrics, "deqfleet_job_age_seconds")).toHaveLength(3);
  });
});
