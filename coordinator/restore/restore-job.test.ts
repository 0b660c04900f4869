import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import type { SliceHost } from "../../shared/chain/slice-host.js";
import type { CrashPoint } from "../../shared/crash-point.js";
import { FatalError, InputError, RetryableError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import { packageRoot } from "../../shared/package-root.js";
import { inProcessFleet } from "../../test/in-process-fleet.js";
import { restore, type TestRun } from "../../test/restore-runs.js";
import { smallPicture, temporaryFolder } from "../../test/small-pictures.js";
import { mountTinyDisk, unmountTinyDisk } from "../../test/tiny-disk.js";
import type { DeadLetter } from "../jobs/job-log.js";
import { type StandingOutcome, standingOutcomes } from "../jobs/standing-outcomes.js";
import { openRestoreLog, restoreLogFolder } from "./restore-log.js";

const { signal } = new AbortController();

/** Folders `in` with pictures of the given names, and `out`, which does not exist yet. */
async function dataset(...names: string[]): Promise<{ folder: string; out: string }> {
  const base = await temporaryFolder();
  const folder = join(base, "in");
  for (const name of names) await smallPicture(join(folder, name), { width: 32, height: 32 });
  return { folder, out: join(base, "out") };
}

const colorize = ({ folder, out }: { folder: string; out: string }): TestRun => ({
  inputs: [folder],
  out,
  task: "colorize",
  workers: 1,
  plan: "time-parallel",
});

interface Recorded {
  readonly jobs: JobRecord[];
  readonly outcomes: StandingOutcome[];
  readonly letters: DeadLetter[];
}

/** What the log of an output folder holds of its only job. */
async function recorded(out: string): Promise<Recorded> {
  const log = await openRestoreLog(out);
  try {
    const jobs = await log.list();
    const { name } = jobs[0].spec;
    const outcomes: StandingOutcome[] = [];
    for await (const outcome of standingOutcomes(log, name, signal)) outcomes.push(outcome);
    const letters: DeadLetter[] = [];
    for await (const letter of log.deadLetters(name)) letters.push(letter);
    return { jobs, outcomes, letters };
  } finally {
    await log.close();
  }
}

const statuses = ({ outcomes }: Recorded) =>
  Object.fromEntries(outcomes.map(({ key, status }) => [key, status]).sort());

/** A host on which the chains of one picture are always lost. */
const losing =
  (picture: string) =>
  (host: SliceHost): SliceHost => ({
    width: host.width,
    open: (...args) =>
      args[0].chain.pictureId === picture
        ? Promise.reject(new RetryableError("the worker died"))
        : host.open(...args),
  });

describe("the job of a run", () => {
  it("has an outcome for every picture, dead letters, and a new generation for what is restored again", async () => {
    const set = await dataset("a.png", "b.png", "deep/c.png");
    await writeFile(join(set.folder, "broken.png"), "no picture");
    const run = colorize(set);
    await restore({ ...run, startFleet: () => inProcessFleet(1, losing("b.png")) });
    const first = await recorded(set.out);
    expect(first.jobs).toMatchObject([
      {
        state: "finished",
        listed: 4,
        generation: 0,
        counts: { done: 2, failed: 1, dead: 1, dropped: 0 },
        spec: { input: set.folder, output: pathToFileURL(set.out).href, maxDeliveries: 3 },
      },
    ]);
    const end = { "a.png": "done", "broken.png": "failed", "deep/c.png": "done" };
    expect(statuses(first)).toEqual({ ...end, "b.png": "dead" });
    expect(first.letters).toMatchObject([
      { item: { key: "b.png" }, errors: Array(3).fill("the worker died") },
    ]);
    const done = first.outcomes.find(({ key }) => key === "deep/c.png");
    expect(done).toMatchObject({
      output: "deep/c.png",
      worker: "worker-1",
      plan: "time-parallel",
      deliveries: 1,
    });

    await rm(join(set.out, "a.png"));
    const again = await restore(run);
    expect(again.run.counts).toMatchObject({ done: 2, skipped: 1, failed: 1 });
    const second = await recorded(set.out);
    expect(second.jobs).toMatchObject([{ state: "finished", generation: 1, listed: 4, requeued: 3 }]);
    expect(statuses(second)).toEqual({ ...end, "b.png": "done" });
    expect(second.letters).toEqual([]);

    // Other settings are another job, and the first one is as it was.
    await restore({ ...run, seed: 1 });
    expect((await restore({ ...run, seed: 1 })).run.counts).toMatchObject({ skipped: 3 });
    const { jobs } = await recorded(set.out);
    expect(jobs).toHaveLength(2);
    expect(jobs).toContainEqual(second.jobs[0]);
  });

  it("gives nothing up because runs were interrupted, and drops what a later run is not asked for", async () => {
    const set = await dataset("a.png", "b.png");
    const run = colorize(set);
    for (let interrupted = 0; interrupted < 4; interrupted++) {
      const controller = new AbortController();
      const report = await restore({
        ...run,
        signal: controller.signal,
        onEvent: ({ event }) => event === "picture-started" && controller.abort(),
      });
      expect(report.run.counts).toMatchObject({ cancelled: 2 });
    }
    expect((await recorded(set.out)).jobs).toMatchObject([{ state: "active", listed: 2, finishedAt: null }]);

    const other = await restore({ ...run, inputs: [join(set.folder, "b.png")] });
    expect(other.items).toMatchObject([{ status: "done", attempts: 1 }]);
    const { jobs, ...rest } = await recorded(set.out);
    expect(jobs).toMatchObject([{ state: "finished", counts: { done: 1, dropped: 1 } }]);
    expect(statuses({ jobs, ...rest })).toEqual({ "a.png": "dropped", "b.png": "done" });
    const all = await restore(run);
    expect(all.items.map(({ status }) => status)).toEqual(["done", "skipped"]);
  });

  it("is one run's at a time", async () => {
    const set = await dataset("a.png");
    const run = colorize(set);
    let refused: unknown;
    await restore({
      ...run,
      startFleet: async ({ workers }) => {
        refused = await restore(run).catch((error: unknown) => error);
        return inProcessFleet(workers);
      },
    });
    expect(refused).toBeInstanceOf(InputError);
    expect(String(refused)).toMatch(/restore\.d is in use by process \d+/);
  });

  it("does not mind the journal of an earlier version", async () => {
    const set = await dataset("a.png");
    const journal = join(set.out, ".deqfleet/journal.jsonl");
    await mkdir(join(set.out, ".deqfleet"), { recursive: true });
    await writeFile(journal, '{"key":"a","outputHash":"b"}\n');
    expect((await restore(colorize(set))).run.counts).toMatchObject({ done: 1 });
    expect(await readFile(journal, "utf8")).toContain('"key":"a"');
  });
});

describe("a log in trouble", () => {
  it("that has lost durable lines is refused, one torn at its end is not", async () => {
    const set = await dataset("a.png", "b.png");
    const run = colorize(set);
    // Two commits, one after the other.
    await restore({ ...run, inputs: [join(set.folder, "a.png")] });
    await restore(run);
    const [job] = (await recorded(set.out)).jobs;
    const outcomes = join(restoreLogFolder(set.out), "jobs", job.spec.name, "outcomes.log");
    const text = await readFile(outcomes, "utf8");
    await appendFile(outcomes, text.slice(0, 100));
    expect((await restore(run)).run.counts).toMatchObject({ skipped: 2 });
    await writeFile(outcomes, text.replace("a.png", "x.png"));
    await expect(restore(run)).rejects.toThrow(/outcomes\.log is damaged at byte 0.*move its folder away/);
  });

  it("for want of room stops the run; with room again nothing is lost", async (context) => {
    const set = await dataset("a.png", "b.png");
    const state = join(set.out, ".deqfleet");
    await mkdir(state, { recursive: true });
    if (!mountTinyDisk(state)) return context.skip("mounting a file system is not allowed here");
    try {
      const run = colorize(set);
      const filler = join(state, "filler");
      const full = restore({
        ...run,
        onEvent: ({ event }) => {
          if (event === "picture-started") void writeFile(filler, Buffer.alloc(1 << 20)).catch(() => {});
        },
      });
      await expect(full).rejects.toThrow(FatalError);
      await expect(full).rejects.toThrow(/restore\.d cannot be written: no space left on the device/);
      const report = JSON.parse(await readFile(join(set.out, "report.json"), "utf8"));
      expect(report.run).toMatchObject({ status: "failed", counts: { done: 0, skipped: 0 } });
      await rm(filler);
      expect((await restore(run)).run.counts).toMatchObject({ done: 2, failed: 0 });
    } finally {
      unmountTinyDisk(state);
    }
  });
});

describe("a run that is killed", () => {
  const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));

  /** Runs the program. @returns its exit code; null if it was killed */
  async function runProgram(args: readonly string[], crashAt?: CrashPoint): Promise<number | null> {
    const child = spawn(process.execPath, [program, "restore", ...args], {
      env: { ...process.env, DEQFLEET_CRASH_POINT: crashAt },
      stdio: "ignore",
    });
    const [code] = (await once(child, "exit")) as [number | null];
    return code;
  }

  it("at any step is gone on with: every picture is restored, with the same bytes", async () => {
    const set = await dataset("a.png", "b.png");
    const args = [set.folder, "--task", "sr-average", "--scale", "2", "--simulate", "--steps", "3"];
    const plan = ["--plan", "time-parallel", "--workers", "1", "--threads", "1"];
    expect(await runProgram([...args, ...plan, "--out", set.out])).toBe(0);
    const expected = await Promise.all(["a.png", "b.png"].map((name) => readFile(join(set.out, name))));
    const points: CrashPoint[] = ["before-rename", "after-outcome-recorded", "before-settle"];
    for (const point of points) {
      const out = join(set.out, point);
      expect(await runProgram([...args, ...plan, "--out", out], point), point).toBeNull();
      const half = (await readdir(out, { recursive: true })).filter((name) => name.endsWith(".tmp"));
      // At the other points a file of the other picture may be half written.
      if (point === "before-rename") expect(half.length).toBeGreaterThan(0);
      expect(await runProgram([...args, ...plan, "--out", out]), point).toBe(0);
      const { run } = JSON.parse(await readFile(join(out, "report.json"), "utf8"));
      const known = ["after-outcome-recorded", "before-settle"].includes(point) ? 1 : 0;
      expect(run.counts, point).toMatchObject({ done: 2 - known, skipped: known });
      const made = await Promise.all(["a.png", "b.png"].map((name) => readFile(join(out, name))));
      expect(made, point).toEqual(expected);
      const after = await readdir(out, { recursive: true });
      expect(
        after.filter((name) => name.endsWith(".tmp")),
        point,
      ).toEqual([]);
      const { jobs, outcomes } = await recorded(out);
      expect(jobs, point).toMatchObject([{ state: "finished", listed: 2, counts: { done: 2 } }]);
      expect(outcomes, point).toHaveLength(2);
    }
  });
});
