/**
 * What a run restores, as a job in the log of its output folder: that is how a later run knows what is done.
 *
 * Invariants:
 * 1. There is one job for all settings that pixels depend on, whatever inputs the runs were given. Its items are pictures by their path
 *    in the dataset; an item keeps its number.
 * 2. An item counts as done while its input and its output have the content that its outcome names. If not, it is published again in
 *    a generation of its own, and the outcome that it had is taken back.
 * 3. What a run left in the queue, interrupted or killed, the next one takes first; what it is not asked for it drops.
 * 4. How often an item was given out counts within one run: nobody is to lose a picture by interrupting.
 */
import { pathToFileURL } from "node:url";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import type { JobRecord, JobSpec } from "../../shared/jobs/job.js";
import { restorationOf } from "../../shared/jobs/restoration-of.js";
import type { ItemOutcome, WorkItem } from "../../shared/jobs/work-item.js";
import { defaultMaxPixels } from "../../shared/pictures/decode.js";
import { dropTaken } from "../jobs/drop-items.js";
import { replayOutcomes } from "../jobs/follow-outcomes.js";
import type { JobLog, TakenItem } from "../jobs/job-log.js";
import { newJob, requeued } from "../jobs/job-requests.js";
import { publishAgain } from "../jobs/requeue.js";
import type { Tally } from "../jobs/tally.js";
import { contentOf, type FileContent, type SourceHashes, settingsKey } from "./picture-key.js";
import type { PicturePlace } from "./picture-places.js";
import { type DoneOutcome, isDone } from "./report-item.js";
import { openRestoreLog, orStop } from "./restore-log.js";

/** Attempts a picture gets in a run, where its errors are retryable. */
export const pictureAttempts = 3;

/** Items published, or taken over, at a time. */
const batchItems = 1024;

/** Digits of the settings' key in the job's name. */
const nameDigits = 16;

/** The log outlives every run. */
const never = new AbortController().signal;

/** A picture that has to be restored. */
export interface PendingPicture {
  readonly place: PicturePlace;
  /** undefined if the input cannot be read. */
  readonly content: FileContent | undefined;
}

/** What the job of a run is to do. How the run goes about it is left open: a later one may choose otherwise. */
function specOf(settings: RestoreSettings, hashes: SourceHashes): JobSpec {
  const restoration = restorationOf(settings);
  return {
    name: `restore-${settingsKey(settings, hashes).slice(0, nameDigits)}`,
    input: settings.inputs.join("\n"),
    output: pathToFileURL(settings.out).href,
    restoration: { ...restoration, plan: "auto", window: null, maxPixels: defaultMaxPixels },
    model: hashes.model,
    mask: hashes.mask,
    priority: 0,
    weight: 1,
    goal: "throughput",
    maxDeliveries: pictureAttempts,
  };
}

/** See the invariants above. Everything it does throws FatalError once the log cannot be written. */
export class RestoreJob {
  readonly #out: string;
  readonly #log: JobLog;
  readonly #spec: JobSpec;
  readonly #now: () => Date;
  readonly #tally: Tally;
  /** The outcomes that count, by key. */
  readonly #known: ReadonlyMap<string, ItemOutcome>;
  #record: JobRecord;
  /** Taken over from an earlier run. */
  #left: TakenItem[];
  /** Deliveries of an item in earlier runs. */
  readonly #before = new Map<number, number>();

  private constructor(
    parts: { out: string; log: JobLog; spec: JobSpec; now: () => Date },
    record: JobRecord,
    tally: Tally,
    known: ReadonlyMap<string, ItemOutcome>,
    left: TakenItem[],
  ) {
    this.#out = parts.out;
    this.#log = parts.log;
    this.#spec = parts.spec;
    this.#now = parts.now;
    this.#record = record;
    this.#tally = tally;
    this.#known = known;
    this.#left = left;
  }

  /**
   * Opens the log of the output folder, and in it the job of these settings.
   * @throws FatalError if it cannot be written or is damaged, InputError if another run uses it
   */
  static async open(
    settings: RestoreSettings,
    hashes: SourceHashes,
    now: () => Date = () => new Date(),
  ): Promise<RestoreJob> {
    const { out } = settings;
    const log = await openRestoreLog(out);
    try {
      const spec = specOf(settings, hashes);
      const { name } = spec;
      return await orStop(
        out,
        (async () => {
          const { job } = await log.create(newJob(spec, now()));
          const tally = await replayOutcomes(log, name, { signal: never, trouble: () => {} });
          const known = new Map<string, ItemOutcome>();
          for await (const outcome of log.outcomes(name, { follow: false, signal: never })) {
            // Of equal ones the first counts.
            if (tally.counts(outcome) && !known.has(outcome.key)) known.set(outcome.key, outcome);
          }
          const left: TakenItem[] = [];
          for (;;) {
            const taken = await log.take(name, batchItems, { waitMilliseconds: 0, signal: never });
            if (taken.length === 0) break;
            left.push(...taken);
          }
          return new RestoreJob({ out, log, spec, now }, job, tally, known, left);
        })(),
      );
    } catch (cause) {
      await log.close();
      throw cause;
    }
  }

  get name(): string {
    return this.#spec.name;
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** What is known of a picture that is restored, if input and output still have the content they had then. */
  async finished(place: PicturePlace, input: FileContent): Promise<DoneOutcome | undefined> {
    const outcome = this.#known.get(place.relativePath);
    if (outcome === undefined || !isDone(outcome) || outcome.inputSha256 !== input.sha256) return undefined;
    const output = await contentOf(place.output).catch(() => undefined);
    return output?.sha256 === outcome.sha256 ? outcome : undefined;
  }

  /** Puts pictures into the queue, in their order, behind those that are still in it. */
  begin(pending: readonly PendingPicture[]): Promise<void> {
    return orStop(this.#out, this.#begin(pending));
  }

  async #begin(pending: readonly PendingPicture[]): Promise<void> {
    const wanted = new Set(pending.map(({ place }) => place.relativePath));
    const mine = (taken: TakenItem) =>
      wanted.has(taken.item.key) && !this.#tally.has(taken.item.index, taken.item.generation);
    if (pending.length === 0 && this.#left.length === 0) return;
    const { name } = this.#spec;
    const log = this.#log;
    const tally = this.#tally;
    const now = this.#now;
    let next = this.#nextIndex();
    await dropTaken(
      this.#left.filter((taken) => !mine(taken)),
      name,
      { log, tally, now },
    );
    this.#left = this.#left.filter(mine).sort((a, b) => a.item.index - b.item.index);
    const queued = new Set(this.#left.map(({ item }) => item.key));
    const fresh = pending.filter(({ place }) => !queued.has(place.relativePath));
    const { input, output } = this.#spec;
    await this.#update((job) => {
      const again = fresh.some(({ place }) => this.#known.has(place.relativePath));
      const begun = again ? requeued(job, [], now()) : { ...job, state: "active" as const };
      const spec = { ...job.spec, input, output };
      return { ...begun, spec, counts: null, listedAll: true, finishedAt: null };
    });
    const { generation } = this.#record;
    for (let from = 0; from < fresh.length; from += batchItems) {
      const outcomes: ItemOutcome[] = [];
      const items: WorkItem[] = [];
      for (const { place, content } of fresh.slice(from, from + batchItems)) {
        const [key, bytes] = [place.relativePath, content?.bytes ?? 0];
        const known = this.#known.get(key);
        if (known) outcomes.push(known);
        items.push(
          known
            ? { index: known.index, generation, key, bytes }
            : { index: next++, generation: 0, key, bytes },
        );
      }
      await publishAgain({ log, tally, now, name, generation, items, outcomes });
    }
    await this.#update((job) => ({
      ...job,
      listed: Math.max(job.listed, next),
      requeued: tally.requeuedIn(generation),
    }));
  }

  /** The first number that no item has. A run that was killed may have published more than the record says. */
  #nextIndex(): number {
    let next = this.#record.listed;
    for (const { index } of this.#known.values()) next = Math.max(next, index + 1);
    for (const { item } of this.#left) next = Math.max(next, item.index + 1);
    return next;
  }

  async #update(change: (job: JobRecord) => JobRecord): Promise<void> {
    this.#record = await this.#log.update(this.#spec.name, (job) => ({
      ...change(job),
      updatedAt: this.#now().toISOString(),
    }));
  }

  /** Takes the next item; waits for one until the signal aborts. */
  async take(signal: AbortSignal): Promise<TakenItem | undefined> {
    const left = this.#left.shift();
    if (left) {
      this.#before.set(left.item.index, left.delivery - 1);
      return this.#ofThisRun(left);
    }
    const options = { waitMilliseconds: Number.POSITIVE_INFINITY, signal };
    const [taken] = await orStop(this.#out, this.#log.take(this.#spec.name, 1, options));
    return taken && this.#ofThisRun(taken);
  }

  #ofThisRun(taken: TakenItem): TakenItem {
    return {
      item: taken.item,
      delivery: taken.delivery - (this.#before.get(taken.item.index) ?? 0),
      working: () => taken.working(),
      settle: () => orStop(this.#out, taken.settle()),
      giveBack: (milliseconds) => taken.giveBack(milliseconds),
    };
  }

  /** Where outcomes go. */
  readonly outcomes: Pick<JobLog, "record" | "bury"> = {
    record: (name, outcome) => orStop(this.#out, this.#log.record(name, outcome)),
    bury: (name, letter) => orStop(this.#out, this.#log.bury(name, letter)),
  };

  /** Says in the job's record that it is finished, if every item has an outcome. */
  async end(): Promise<void> {
    const { ended, byStatus } = this.#tally;
    if (ended < this.#record.listed || this.#left.length > 0 || this.#record.finishedAt !== null) return;
    const finishedAt = this.#now().toISOString();
    await orStop(
      this.#out,
      this.#update((job) => ({ ...job, state: "finished", finishedAt, counts: byStatus })),
    );
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}
