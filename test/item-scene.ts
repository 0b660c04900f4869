/** One work item in a log and a store of folders, for tests of what becomes of it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { EmbeddedLog } from "../coordinator/jobs/embedded-log/embedded-log.js";
import type { DeadLetter, TakenItem } from "../coordinator/jobs/job-log.js";
import type { ItemContext, RestoredItem } from "../coordinator/jobs/run-item.js";
import { Tally } from "../coordinator/jobs/tally.js";
import type { ItemOutcome } from "../shared/jobs/work-item.js";
import { FolderStore } from "../shared/storage/folder-store.js";
import { workItem } from "./job-samples.js";
import { temporaryFolder } from "./small-pictures.js";

const never = new AbortController().signal;

/** A new log with one item of the job `photos`, a new store, before every test. */
export class ItemScene {
  readonly job = "photos";
  folder = "";
  /** Outcomes that were told of. */
  told: ItemOutcome[] = [];
  tally = new Tally();
  #log: EmbeddedLog | undefined;
  #store: FolderStore | undefined;

  constructor() {
    beforeEach(async () => {
      this.folder = await temporaryFolder();
      await mkdir(join(this.folder, "store"));
      this.#store = await FolderStore.open(join(this.folder, "store"), { create: false });
      this.#log = await EmbeddedLog.open(join(this.folder, "log"));
      await this.#log.publish(this.job, [workItem(0)]);
      this.tally = new Tally();
      this.told = [];
    });
    afterEach(() => this.#log?.close());
  }

  get log(): EmbeddedLog {
    if (!this.#log) throw new Error("there is a log only within a test");
    return this.#log;
  }

  get store(): FolderStore {
    if (!this.#store) throw new Error("there is a store only within a test");
    return this.#store;
  }

  /** The item; waits for it. */
  readonly take = async (): Promise<TakenItem> => {
    const [taken] = await this.log.take(this.job, 1, { waitMilliseconds: 20_000, signal: never });
    return taken!;
  };

  /** Writes the item's key to the store. */
  readonly copy = async (key: string): Promise<RestoredItem> => {
    const sha256 = await this.store.write(key, Buffer.from(key));
    return {
      ...{ output: key, sha256, worker: "w", plan: "serial" },
      ...{ rounds: null, evaluations: 4, residual: null, consistency: 0, psnr: null, ssim: null },
    };
  };

  readonly context = (change: Partial<ItemContext> = {}): ItemContext => ({
    job: this.job,
    maxDeliveries: 3,
    log: this.log,
    tally: this.tally,
    retryTimes: { shortest: 1, longest: 1 },
    restore: ({ key }) => this.copy(key),
    signal: never,
    trouble: () => {},
    now: () => new Date(),
    proceed: async () => "active",
    pause: async () => {},
    check: async () => {},
    onBegin: () => {},
    onWait: () => {},
    onRound: () => {},
    onOutcome: (outcome) => this.told.push(outcome),
    ...change,
  });

  readonly outcomes = async (): Promise<ItemOutcome[]> => {
    const all: ItemOutcome[] = [];
    for await (const outcome of this.log.outcomes(this.job, { follow: false, signal: never }))
      all.push(outcome);
    return all;
  };

  readonly letters = async (): Promise<DeadLetter[]> => {
    const all: DeadLetter[] = [];
    for await (const letter of this.log.deadLetters(this.job)) all.push(letter);
    return all;
  };

  readonly settled = async (): Promise<void> =>
    expect(await this.log.backlog(this.job)).toEqual({ queued: 0, taken: 0 });
}
