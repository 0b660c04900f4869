/** Two coordinators over one broker. */
import { connect, JSONCodec } from "nats";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { cancelled, resumed } from "../coordinator/jobs/job-requests.js";
import { NatsLog } from "../coordinator/jobs/nats-log/nats-log.js";
import { natsSettingsSchema } from "../shared/config/nats-settings.js";
import { FatalError } from "../shared/errors.js";
import type { JobRecord } from "../shared/jobs/job.js";
import { type JobFixture, openJobFixture } from "./job-fixture.js";
import { type NatsServer, startNatsServer } from "./nats-server.js";

let server: NatsServer;
let coordinators: JobFixture[] = [];
beforeAll(async () => {
  server = await startNatsServer();
});
afterEach(async () => {
  for (const coordinator of coordinators) await coordinator.close();
  coordinators = [];
});
afterAll(() => server.close());

const waiting = { timeout: 60_000, interval: 20 };

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => `${String(i).padStart(5, "0")}.png`);

/** Coordinators with so many seats each, on the same folders. @param prefix keeps the test's jobs apart */
async function open(prefix: string, ...seats: number[]): Promise<JobFixture[]> {
  const settings = natsSettingsSchema.parse({ servers: [server.url], prefix });
  for (const count of seats) {
    const openLog = () => NatsLog.open(settings, { ackMilliseconds: 2000, holdMilliseconds: 3000 });
    const folder = coordinators[0]?.folder;
    coordinators.push(
      await openJobFixture({ seats: count, members: count, openLog, ...(folder && { folder }) }),
    );
  }
  return coordinators;
}

const finished = (coordinator: JobFixture, name: string, state = "finished") =>
  vi.waitFor(async () => {
    const job = await coordinator.log.get(name);
    expect(job).toMatchObject({ state, finishedAt: expect.any(String) });
    return job!;
  }, waiting);

const indices = (count: number) => Array.from({ length: count }, (_, i) => i);

it("share a job by what their workers begin, and give every item one outcome", async () => {
  const [small, large] = await open("share", 2, 6);
  await small.inputs(...numbered(240));
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
  small.onBegin = pause;
  large.onBegin = pause;
  await small.log.create(small.record("a"));
  const job = await finished(small, "a");
  expect(job).toMatchObject({ listed: 240, counts: { done: 240, failed: 0, dead: 0, dropped: 0 } });
  expect((await small.outcomes("a")).map(({ index }) => index).sort((a, b) => a - b)).toEqual(indices(240));
  expect(await small.outputs()).toEqual(numbered(240));
  // Three quarters of the seats are the large one's.
  expect(small.begun.length + large.begun.length).toBe(240);
  expect(large.begun.length).toBeGreaterThan(140);
  expect(small.begun.length).toBeGreaterThan(30);
});

it("see each other's changes, and the one that is left goes on with everything", async () => {
  const [first, second] = await open("left", 2, 2);
  await first.inputs(...numbered(60));
  // The first one's items never end.
  first.onBegin = () => new Promise(() => {});
  await first.log.create(first.record("a"));
  await vi.waitFor(() => expect(first.begun.length).toBe(2), waiting);
  await vi.waitFor(() => expect(second.begun.length).toBeGreaterThan(3), waiting);
  await first.engine.close();
  const job = await finished(second, "a");
  expect(job.counts).toEqual({ done: 60, failed: 0, dead: 0, dropped: 0 });
  const lines = await second.outcomes("a");
  // What was at work, and what waited for a worker.
  expect(lines.filter(({ status }) => status === "returned").length).toBeGreaterThanOrEqual(2);
  const outcomes = lines.filter(({ status }) => status === "done");
  expect(outcomes.map(({ index }) => index).sort((a, b) => a - b)).toEqual(indices(60));
});

it("cancel and resume a job of the other one", async () => {
  const [first, second] = await open("cancel", 1, 1);
  await first.inputs(...numbered(50));
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  first.onBegin = () => gate;
  second.onBegin = () => gate;
  await first.log.create(first.record("a"));
  await vi.waitFor(() => expect([first.begun.length, second.begun.length]).toEqual([1, 1]), waiting);
  await second.engine.update("a", (job) => cancelled(job, new Date()));
  await vi.waitFor(() => expect(first.engine.runner("a")?.job.state).toBe("cancelled"), waiting);
  release();
  const job = await finished(first, "a", "cancelled");
  expect(job.counts).toMatchObject({ done: 2, dropped: job.listed - 2 });
  await first.engine.update("a", (present) => resumed(present, new Date()));
  expect((await finished(second, "a")).counts).toEqual({ done: 50, failed: 0, dead: 0, dropped: 0 });
  expect(first.begun.length + second.begun.length).toBe(50);
});

it("leave a job alone that a later version keeps, until they can read it, and go on with the others", async () => {
  const [coordinator] = await open("versions", 1);
  const connection = await connect({ servers: server.url });
  const bucket = await connection.jetstream().views.kv("versions-jobs");
  const put = (job: JobRecord) => bucket.put(job.spec.name, JSONCodec().encode(job));
  try {
    await coordinator.inputs("a.png", "b.png");
    coordinator.onBegin = () => new Promise(() => {});
    await coordinator.log.create(coordinator.record("newer"));
    await vi.waitFor(() => expect(coordinator.begun).toEqual(["newer/a.png"]), waiting);
    const known = (await coordinator.log.get("newer"))!;
    const newer = { ...known, deadline: "2027-01-01T00:00:00.000Z" };
    await put(newer);
    // What was at work of it is given back.
    await vi.waitFor(() => expect(coordinator.engine.runner("newer")).toBeUndefined(), waiting);
    await put({ ...newer, updatedAt: new Date().toISOString() });
    coordinator.onBegin = () => {};
    const output = `${coordinator.spec("sound").output}/sound`;
    await coordinator.log.create(coordinator.record("sound", { output }));
    await finished(coordinator, "sound");
    expect(coordinator.events.filter(({ event }) => event === "log-trouble")).toEqual([
      {
        event: "log-trouble",
        name: "newer",
        message: expect.stringMatching(/the job newer of another version.*"deadline"/s),
      },
    ]);
    await expect(coordinator.log.get("newer")).rejects.toThrow(FatalError);

    // One that is started now meets it at once.
    const [, second] = await open("versions", 1);
    await second.log.create(second.record("late", { output: `${output}/late` }));
    await finished(second, "late");
    await put(known);
    await finished(second, "newer");
  } finally {
    await connection.close();
  }
});
