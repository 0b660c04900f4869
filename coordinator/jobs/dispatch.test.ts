import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { jobRecord, workItems } from "../../test/job-samples.js";
import { SeatPool } from "../../test/seat-pool.js";
import { Dispatch, type DispatchedJob } from "./dispatch.js";
import { EmbeddedLog } from "./embedded-log/embedded-log.js";
import type { TakenItem } from "./job-log.js";

const model = "0".repeat(64);
let folder: string;
let log: EmbeddedLog;
let stop: AbortController;
let running: Promise<void> | undefined;
/** Who began, in order. */
let order: string[];
/** Ends of what is seated. */
let ends: { readonly name: string; readonly end: () => void }[];
/** Seconds: moves on by one whenever something ends. */
let clock: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-dispatch-"));
  log = await EmbeddedLog.open(folder);
  stop = new AbortController();
  order = [];
  ends = [];
  clock = 0;
});

afterEach(async () => {
  stop.abort();
  let ended = running === undefined;
  void running?.finally(() => {
    ended = true;
  });
  while (!ended) {
    endOne();
    await turn();
  }
  running = undefined;
  await log.close();
  await rm(folder, { recursive: true });
});

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

/** Ends what began first, of one job or of all. */
function endOne(name?: string): void {
  const next = ends.find((one) => name === undefined || one.name === name);
  if (!next) return;
  ends.splice(ends.indexOf(next), 1);
  clock++;
  next.end();
}

/** A job that sits each of its items on a worker until it is told to end one, and notes who began. */
function seatedJob(pool: SeatPool, name: string, settings: Partial<DispatchedJob> = {}) {
  const begun: TakenItem[] = [];
  const taken: number[] = [];
  const job: DispatchedJob = {
    name,
    priority: 5,
    weight: 1,
    model,
    mostWaiting: () => Number.POSITIVE_INFINITY,
    trouble: () => {},
    run: async (item, { begin }) => {
      taken.push(item.item.index);
      const lease = await pool.acquire({ model, alone: false, signal: new AbortController().signal });
      begin();
      begun.push(item);
      order.push(name);
      await new Promise<void>((resolve) => ends.push({ name, end: resolve }));
      lease.release();
      await item.settle();
    },
    ...settings,
  };
  return { job, begun, taken };
}

const publish = async (name: string, count: number) => {
  await log.create(jobRecord(name));
  await log.publish(name, workItems(0, count));
};

function start(pool: SeatPool): Dispatch {
  const dispatch = new Dispatch({ log, pool, now: () => clock });
  running = dispatch.run(stop.signal);
  return dispatch;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

describe("Dispatch", () => {
  it("takes what workers can begin and one more for each, and the next as soon as one ends", async () => {
    const pool = new SeatPool(model, 2, 4);
    await publish("a", 100);
    const a = seatedJob(pool, "a");
    const dispatch = start(pool);
    dispatch.add(a.job);
    await vi.waitFor(() => expect(a.begun).toHaveLength(4));
    await settled();
    expect(a.taken).toHaveLength(6);
    expect(dispatch.inHand).toBe(6);
    expect(await log.backlog("a")).toEqual({ queued: 94, taken: 6 });
    endOne("a");
    await vi.waitFor(() => expect(a.taken).toHaveLength(7));
    expect(a.begun).toHaveLength(5);
  });

  it("takes nothing where there is no worker of the job's model", async () => {
    const pool = new SeatPool("1".repeat(64), 2, 4);
    await publish("a", 5);
    const a = seatedJob(pool, "a");
    start(pool).add(a.job);
    await settled();
    expect(await log.backlog("a")).toEqual({ queued: 5, taken: 0 });
  });

  it("serves priorities first and weights within them, over every window", async () => {
    const pool = new SeatPool(model, 1, 1);
    for (const name of ["a", "b", "urgent"]) await publish(name, name === "urgent" ? 8 : 60);
    const jobs = [
      seatedJob(pool, "a"),
      seatedJob(pool, "b", { weight: 3 }),
      seatedJob(pool, "urgent", { priority: 9 }),
    ];
    const dispatch = start(pool);
    for (const { job } of jobs) dispatch.add(job);
    while (order.length < 50) {
      endOne();
      await turn();
    }
    // One item may have been taken for the first job before the others were known.
    const share = (name: string, from: number, to: number) =>
      order.slice(from, to).filter((one) => one === name).length;
    expect(share("urgent", 0, 11)).toBe(8);
    const window = 20;
    // A window may begin and end anywhere between two turns of four.
    for (const from of [12, 28]) {
      expect(share("b", from, from + window)).toBeGreaterThanOrEqual(13);
      expect(share("b", from, from + window)).toBeLessThanOrEqual(17);
    }
  });

  it("notices items that come later, and works off a job that shares with one that has none", async () => {
    const pool = new SeatPool(model, 1, 1);
    await log.create(jobRecord("empty"));
    await publish("full", 3);
    const empty = seatedJob(pool, "empty", { weight: 1000 });
    const full = seatedJob(pool, "full");
    const dispatch = start(pool);
    dispatch.add(empty.job);
    dispatch.add(full.job);
    for (let i = 1; i <= 3; i++) {
      await vi.waitFor(() => expect(full.begun).toHaveLength(i));
      endOne("full");
    }
    await log.publish("empty", workItems(0, 1));
    await vi.waitFor(() => expect(empty.begun).toHaveLength(1));
    endOne("empty");
    await vi.waitFor(() => expect(dispatch.inHand).toBe(0));
  });

  it("serves the others at once where a job without items comes before them", async () => {
    const pool = new SeatPool(model, 1, 1);
    await log.create(jobRecord("urgent"));
    await publish("full", 3);
    const urgent = seatedJob(pool, "urgent", { priority: 9 });
    const full = seatedJob(pool, "full");
    const dispatch = start(pool);
    dispatch.add(urgent.job);
    dispatch.add(full.job);
    await vi.waitFor(() => expect(full.taken).toHaveLength(2));
    await settled();
    // Nothing changes any more: nothing is looked up either.
    const looks = vi.spyOn(pool, "members");
    await settled();
    expect(looks).not.toHaveBeenCalled();
    await log.publish("urgent", workItems(0, 1));
    await vi.waitFor(() => expect(dispatch.inHand).toBe(3));
    endOne("full");
    await vi.waitFor(() => expect(urgent.taken).toHaveLength(1));
  });

  it("keeps what waits for a worker within the job's bound", async () => {
    const pool = new SeatPool(model, 4, 4);
    await publish("cut", 10);
    const cut = seatedJob(pool, "cut", { mostWaiting: () => 1 });
    const seat = pool.acquireGroup({ model, slices: 4, signal: stop.signal });
    const dispatch = start(pool);
    const { release } = await seat;
    dispatch.add(cut.job);
    await vi.waitFor(() => expect(cut.taken).toHaveLength(1));
    await settled();
    expect(cut.taken).toHaveLength(1);
    release();
    await vi.waitFor(() => expect(cut.begun).toHaveLength(4));
  });

  it("runs what it has in hand when a job is removed", async () => {
    const pool = new SeatPool(model, 1, 1);
    await publish("a", 10);
    const a = seatedJob(pool, "a");
    const dispatch = start(pool);
    dispatch.add(a.job);
    await vi.waitFor(() => expect(a.taken).toHaveLength(2));
    dispatch.remove("a");
    endOne("a");
    await vi.waitFor(() => expect(a.begun).toHaveLength(2));
    endOne("a");
    await vi.waitFor(() => expect(dispatch.inHand).toBe(0));
    expect(await log.backlog("a")).toEqual({ queued: 8, taken: 0 });
  });

  it("takes nothing more for a job that is removed and comes back while its items wait", async () => {
    const pool = new SeatPool(model, 2, 2);
    await publish("a", 20);
    const a = seatedJob(pool, "a");
    const dispatch = start(pool);
    dispatch.add(a.job);
    await vi.waitFor(() => expect(a.taken).toHaveLength(4));
    for (let pause = 0; pause < 3; pause++) {
      dispatch.remove("a");
      await settled();
      dispatch.add(a.job);
      await settled();
    }
    expect(a.taken).toHaveLength(4);
    expect(await log.backlog("a")).toEqual({ queued: 16, taken: 4 });
    endOne("a");
    await vi.waitFor(() => expect(a.taken).toHaveLength(5));
  });

  it("charges a job for what its items have of workers, not for their waiting in between", async () => {
    const pool = new SeatPool(model, 1, 1);
    for (const name of ["a", "b"]) await publish(name, 40);
    const a = seatedJob(pool, "a");
    const b = seatedJob(pool, "b");
    let waited = false;
    const run: DispatchedJob["run"] = async (taken, standing) => {
      if (!waited) {
        waited = true;
        standing.begin();
        standing.wait();
        clock += 1000;
      }
      await a.job.run(taken, standing);
    };
    const dispatch = start(pool);
    dispatch.add({ ...a.job, run });
    await vi.waitFor(() => expect(a.begun).toHaveLength(1));
    dispatch.add(b.job);
    while (order.length < 20) {
      endOne();
      await turn();
    }
    expect(order.filter((name) => name === "a").length).toBeGreaterThanOrEqual(8);
  });
});
