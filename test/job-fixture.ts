/** A coordinator's jobs over real parts: the embedded log or another one, folder stores, and workers that copy. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { EmbeddedLog } from "../coordinator/jobs/embedded-log/embedded-log.js";
import { JobEngine } from "../coordinator/jobs/job-engine.js";
import type { JobEvent } from "../coordinator/jobs/job-event.js";
import type { DeadLetter, JobLog } from "../coordinator/jobs/job-log.js";
import { openJobStores } from "../coordinator/jobs/job-stores.js";
import type { JobRecord, JobSpec } from "../shared/jobs/job.js";
import type { ItemOutcome } from "../shared/jobs/work-item.js";
import { copyingRestoration } from "./copying-restoration.js";
import { jobRecord } from "./job-samples.js";
import { SeatPool } from "./seat-pool.js";

export const fixtureModel = "0".repeat(64);

/** See {@link openJobFixture}. */
export interface JobFixture {
  readonly folder: string;
  readonly input: string;
  readonly output: string;
  readonly log: JobLog;
  readonly engine: JobEngine;
  readonly pool: SeatPool;
  readonly events: JobEvent[];
  /** Items begun, in order, as `job/key`. */
  readonly begun: string[];
  /** Reasons the jobs were paused for, in order. */
  pauses(): readonly string[];
  /** What happens when an item has begun; may be replaced. */
  onBegin: (key: string, job: string) => Promise<void> | void;
  /** Writes input files, each holding its own key. */
  inputs(...keys: string[]): Promise<void>;
  spec(name: string, change?: Partial<JobSpec>): JobSpec;
  record(name: string, change?: Partial<JobSpec>): JobRecord;
  outcomes(name: string): Promise<ItemOutcome[]>;
  deadLetters(name: string): Promise<DeadLetter[]>;
  /** Keys of the output store, in order. */
  outputs(): Promise<string[]>;
  /** Stops the engine and opens the log and another one over it, as after a restart. */
  restart(): Promise<JobFixture>;
  close(): Promise<void>;
}

/** Opens one in a new folder, or in that of one before it. */
export async function openJobFixture(
  options: {
    readonly seats?: number;
    readonly members?: number;
    readonly folder?: string;
    /** Default: the embedded log, in the folder. */
    readonly openLog?: () => Promise<JobLog>;
  } = {},
): Promise<JobFixture> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "deqfleet-jobs-")));
  const input = join(folder, "in");
  const output = join(folder, "out");
  await mkdir(input, { recursive: true });
  await mkdir(output, { recursive: true });
  const { openLog = () => EmbeddedLog.open(join(folder, "log")) } = options;
  const log = await openLog();
  const pool = new SeatPool(fixtureModel, options.members ?? 2, options.seats ?? 4);
  const events: JobEvent[] = [];
  const begun: string[] = [];
  const restoration = copyingRestoration({
    pool,
    onBegin: (key, job) => {
      begun.push(`${job}/${key}`);
      return fixture.onBegin(key, job);
    },
  });
  const engine = new JobEngine({
    log,
    pool,
    openStores: openJobStores,
    restoration,
    onEvent: (event) => events.push(event),
  });
  engine.start();
  const spec = (name: string, change: Partial<JobSpec> = {}): JobSpec => ({
    ...jobRecord(name).spec,
    input: pathToFileURL(input).href,
    output: pathToFileURL(output).href,
    model: fixtureModel,
    ...change,
  });
  const fixture: JobFixture = {
    folder,
    input,
    output,
    log,
    engine,
    pool,
    events,
    begun,
    pauses: () =>
      events.flatMap((event) =>
        event.event === "job-changed" && event.job.pausedBecause !== null ? [event.job.pausedBecause] : [],
      ),
    onBegin: () => {},
    inputs: async (...keys) => {
      for (const key of keys) {
        await mkdir(dirname(join(input, key)), { recursive: true });
        await writeFile(join(input, key), key);
      }
    },
    spec,
    record: (name, change) => ({ ...jobRecord(name), spec: spec(name, change) }),
    outcomes: async (name) => {
      const all: ItemOutcome[] = [];
      const { signal } = new AbortController();
      for await (const outcome of log.outcomes(name, { follow: false, signal })) all.push(outcome);
      return all;
    },
    deadLetters: async (name) => {
      const all: DeadLetter[] = [];
      for await (const letter of log.deadLetters(name)) all.push(letter);
      return all;
    },
    outputs: async () => {
      const entries = await readdir(output, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      const keys = files.map((entry) => join(entry.parentPath, entry.name).slice(output.length + 1));
      for (const key of keys) {
        const text = await readFile(join(output, key), "utf8");
        if (text !== key) throw new Error(`${key} holds ${JSON.stringify(text)}`);
      }
      return keys.sort();
    },
    restart: async () => {
      await engine.close();
      await log.close();
      return openJobFixture({ ...options, folder });
    },
    close: async () => {
      await engine.close();
      await log.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return fixture;
}
