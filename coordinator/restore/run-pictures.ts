/**
 * The pictures of a run over one fleet: whole chains side by side, several on each worker, or chains cut over groups of workers,
 * one after the other in each. Lanes take them from the queue of the run's job.
 */
import { setMaxListeners } from "node:events";
import { batchLimits, picturesPerCall } from "../../shared/chain/batch-limits.js";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { DeqfleetError, FatalError } from "../../shared/errors.js";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";
import type { Mask } from "../../shared/pictures/mask.js";
import { CanvasOperators } from "../../shared/restore/canvas.js";
import { LocatedFiles } from "../../shared/restore/located-files.js";
import { openStore } from "../../shared/storage/open-store.js";
import { picturesAhead, WorkerSlots } from "../fleet/worker-slots.js";
import type { Fleet } from "../fleet.js";
import type { TakenItem } from "../jobs/job-log.js";
import { runItem } from "../jobs/run-item.js";
import { planRun, type RunPlan } from "../planner/plan-run.js";
import { learnCosts } from "../planner/worker-costs.js";
import { PrefixScan } from "../solver/prefix-scan.js";
import { expectedCanvas } from "./expected-canvas.js";
import { describeVersions } from "./machine.js";
import type { PicturePlace } from "./picture-places.js";
import type { ReportItem } from "./report.js";
import { doneItem, emptyItem, failedItem, isDone } from "./report-item.js";
import type { RestoreEvent } from "./restore-event.js";
import { type PendingPicture, pictureAttempts, type RestoreJob } from "./restore-job.js";
import { PictureAttempts, type RunParts } from "./restore-picture.js";
import { WholeRestoration } from "./restore-whole.js";
import { WorkerTurns } from "./worker-turns.js";

/** Cut chains of one group of workers: the one at work, and the next, which takes over its workers one by one. */
const chainsAtATime = 2;

/** Between two attempts: a stream breaks a moment before the death of its worker is known. */
const retryTimes = { shortest: 250, longest: 250 };

/** What the pictures need. */
export interface PicturesRun {
  /** Those in the job's queue. */
  readonly pending: readonly PendingPicture[];
  readonly settings: RestoreSettings;
  readonly mask: Mask | undefined;
  /** SHA-256 of the mask's file; null without one. */
  readonly maskHash: string | null;
  readonly fleet: Fleet;
  readonly job: RestoreJob;
  readonly signal: AbortSignal;
  /** Folder for what may be found out again. */
  readonly cache: string;
  readonly onPlan: (plan: RunPlan) => void;
  readonly onEvent: (event: RestoreEvent) => void;
  /** Receives every item as it is settled. */
  readonly settle: (place: PicturePlace, item: ReportItem) => void;
}

/** A part of the fleet that takes one picture at a time. */
interface Lane {
  readonly turns: WorkerTurns;
  /** Names of its workers. */
  readonly workers: string;
}

/** Takes pictures to their outcomes, and tells of them. */
class PictureDeliveries {
  readonly #run: PicturesRun;
  readonly #parts: RunParts;
  readonly #stop: (error: unknown) => void;
  /** Those without an outcome, by relative path. */
  readonly #pictures: Map<
    string,
    { readonly picture: PendingPicture; attempts: PictureAttempts | undefined }
  >;
  readonly #over = new AbortController();

  /** @param stop ends the run because of an error */
  constructor(run: PicturesRun, parts: RunParts, stop: (error: unknown) => void) {
    this.#run = run;
    this.#parts = parts;
    this.#stop = stop;
    this.#pictures = new Map(
      run.pending.map((picture) => [picture.place.relativePath, { picture, attempts: undefined }]),
    );
  }

  /** Takes one picture after the other until all have an outcome, or the run is stopped. */
  async work(lane: Lane): Promise<void> {
    const ended = AbortSignal.any([this.#parts.signal, this.#over.signal]);
    while (!ended.aborted) {
      try {
        const taken = await this.#run.job.take(ended);
        if (taken) await this.#deliver(taken, lane);
      } catch (error) {
        this.#stop(error);
        throw error;
      }
    }
  }

  async #deliver(taken: TakenItem, lane: Lane): Promise<void> {
    const { job, onEvent, settings, settle } = this.#run;
    const key = taken.item.key;
    const entry = this.#pictures.get(key);
    if (!entry) throw new Error(`the queue holds ${key}, which is not of this run`);
    const { place } = entry.picture;
    entry.attempts ??= new PictureAttempts(entry.picture, this.#parts, {
      attempt: (attempt) => onEvent({ event: "picture-started", picture: key, attempt }),
      round: ({ round, largestRatio, done }) =>
        onEvent({ event: "round", picture: key, round, largestRatio, final: done, steps: settings.steps }),
    });
    const { attempts } = entry;
    const { signal } = this.#parts;
    let fatal: unknown;
    try {
      await runItem(taken, {
        job: job.name,
        maxDeliveries: pictureAttempts,
        log: job.outcomes,
        tally: job.tally,
        retryTimes,
        signal,
        // An error of this log ends the run: nothing is tried again.
        trouble: () => {},
        now: () => new Date(),
        proceed: async () => "active",
        pause: async () => {},
        check: async () => {},
        restore: (_, { alone }) =>
          attempts.make({ ...lane, attempt: taken.delivery, alone }).catch((error: unknown) => {
            // The error of another picture, which has stopped the run, is not this one's.
            if (error instanceof FatalError && error !== signal.reason) {
              fatal = error;
              this.#stop(error);
            }
            throw error;
          }),
        onBegin: () => {},
        onWait: () => {},
        onRound: () => {},
        onOutcome: (outcome) => this.#settle(outcome, entry.picture, attempts),
      });
    } catch (error) {
      // The log cannot be written any more.
      fatal ??= error;
    }
    if (fatal !== undefined) {
      const error = DeqfleetError.messageOf(fatal);
      settle(place, { ...emptyItem(place, settings), status: "failed", error });
      throw fatal;
    }
    // Once the run is being stopped, whatever a picture says is an echo of that.
    if (signal.aborted && this.#pictures.has(key)) {
      settle(place, { ...emptyItem(place, settings), attempts: attempts.begun });
    }
  }

  #settle(outcome: ItemOutcome, { place }: PendingPicture, attempts: PictureAttempts): void {
    if (outcome.status === "retried" || outcome.status === "returned") return;
    const { settings, settle, onEvent } = this.#run;
    const done = isDone(outcome);
    const item = done
      ? doneItem(outcome, place, settings)
      : failedItem(outcome, place, settings, this.#parts.plan, attempts.seconds);
    this.#pictures.delete(place.relativePath);
    settle(place, item);
    onEvent({ event: done ? "picture-done" : "picture-failed", picture: place.relativePath, item });
    if (this.#pictures.size === 0) this.#over.abort();
  }
}

/**
 * Restores all pending pictures. A picture that fails does not stop the others; once the signal is aborted no new one is
 * begun, and those at work are abandoned and settled as cancelled.
 * @throws FatalError after all work has stopped, if nothing more can be written
 */
export async function runPictures(run: PicturesRun): Promise<void> {
  const { pending, settings, mask, maskHash, fleet, signal, onPlan } = run;
  const workers = fleet.host.width;
  const limits = batchLimits(settings.batch, settings.devices);
  const size = await expectedCanvas(pending[0].place.input, settings, fleet.network);
  const known = { fleet, size, signal, runtime: describeVersions().onnxruntime, folder: run.cache };
  const plan = await planRun({ ...known, settings, limits, pictures: pending.length, measure: "if-needed" });
  onPlan(plan);
  // Where each picture is wanted soon, no more share a call than were planned, nor is one read ahead of its time.
  const fewer =
    plan.plan === "serial" && plan.goal === "latency" && plan.batch < picturesPerCall(limits, size);
  const ahead = fewer ? 0 : picturesAhead;
  const together = fewer ? { ...limits, pictures: plan.batch } : limits;
  const slots = new WorkerSlots<number>({ chains: pending.length, ahead });
  for (let worker = 0; worker < workers; worker++) slots.join(worker, together);
  const stop = new AbortController();
  const scan = new PrefixScan();
  const stopped = AbortSignal.any([signal, stop.signal]);
  // One listener a picture in flight is no leak, however many that are.
  setMaxListeners(0, stopped);
  const parts = {
    settings,
    operators: new CanvasOperators(settings.task, fleet.network, mask),
    scan,
    plan: plan.chosen,
    files: new LocatedFiles(openStore),
    whole: new WholeRestoration({ settings, maskHash, fleet, slots, signal: stopped }),
    signal: stopped,
  };
  const deliveries = new PictureDeliveries(run, parts, (error) => stop.abort(error));
  const most = workers * (together.pictures + ahead);
  const names = fleet.workers().map(({ name }) => name);
  const groups = plan.groups.map((group) => ({
    turns: new WorkerTurns(fleet.host, group),
    workers: group.map((worker) => names[worker]).join(" "),
  }));
  const lanes = Math.min(pending.length, plan.chosen === "serial" ? most : groups.length * chainsAtATime);
  const ended = await Promise.allSettled(
    Array.from({ length: lanes }, (_, i) => deliveries.work(groups[i % groups.length])),
  );
  await scan.release();
  // A run that was stopped has other worries, and one that could not tell leaves the next one as wise as itself.
  if (!stopped.aborted) await learnCosts(known).catch(() => {});
  const failure = ended.find((result) => result.status === "rejected");
  if (failure) throw asFatal(failure.reason);
}

const asFatal = (error: unknown): FatalError =>
  error instanceof FatalError ? error : new FatalError(String(error), { cause: error });
