/**
 * The pictures of a run over one fleet: whole chains side by side, several on each worker, or chains cut over groups of workers,
 * one after the other in each.
 */
import { setMaxListeners } from "node:events";
import { batchLimits } from "../../shared/chain/batch-limits.js";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { FatalError } from "../../shared/errors.js";
import type { Mask } from "../../shared/pictures/mask.js";
import { CanvasOperators } from "../../shared/restore/canvas.js";
import { LocatedFiles } from "../../shared/restore/located-files.js";
import { openStore } from "../../shared/storage/open-store.js";
import { picturesAhead, WorkerSlots } from "../fleet/worker-slots.js";
import type { Fleet } from "../fleet.js";
import { planRun, type RunPlan } from "../planner/plan-run.js";
import { learnCosts } from "../planner/worker-costs.js";
import { PrefixScan } from "../solver/prefix-scan.js";
import { expectedCanvas } from "./expected-canvas.js";
import type { Journal } from "./journal.js";
import { describeVersions } from "./machine.js";
import type { PicturePlace } from "./picture-places.js";
import type { ReportItem } from "./report.js";
import type { RestoreEvent } from "./restore-event.js";
import { emptyItem, type RunParts, restorePicture } from "./restore-picture.js";
import { WholeRestoration } from "./restore-whole.js";
import { WorkerTurns } from "./worker-turns.js";

/** Cut chains of one group of workers: the one at work, and the next, which takes over its workers one by one. */
const chainsAtATime = 2;

/** A picture that has to be restored. */
export interface PendingPicture {
  readonly place: PicturePlace;
  /** Its identity in the journal; undefined if the input cannot be read. */
  readonly key: string | undefined;
}

/** What the pictures need. */
export interface PicturesRun {
  readonly pending: readonly PendingPicture[];
  readonly settings: RestoreSettings;
  readonly mask: Mask | undefined;
  /** SHA-256 of the mask's file; null without one. */
  readonly maskHash: string | null;
  readonly fleet: Fleet;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Folder for what may be found out again. */
  readonly cache: string;
  readonly onPlan: (plan: RunPlan) => void;
  readonly onEvent: (event: RestoreEvent) => void;
  /** Receives every item as it is settled. */
  readonly settle: (place: PicturePlace, item: ReportItem) => void;
}

/** Restores one picture, records it and tells of it. */
async function restoreAndRecord(
  { place, key }: PendingPicture,
  parts: RunParts,
  { journal, onEvent, settle, settings }: PicturesRun,
): Promise<void> {
  const picture = place.relativePath;
  try {
    const { item, outputHash } = await restorePicture(place, parts, {
      attempt: (attempt) => onEvent({ event: "picture-started", picture, attempt }),
      round: ({ round, largestRatio, done }) =>
        onEvent({ event: "round", picture, round, largestRatio, final: done, steps: settings.steps }),
    });
    if (outputHash !== undefined && key !== undefined) await journal.append({ key, outputHash, item });
    settle(place, item);
    if (item.status === "done") onEvent({ event: "picture-done", picture, item });
    if (item.status === "failed") onEvent({ event: "picture-failed", picture, item });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    settle(place, { ...emptyItem(place, settings), status: "failed", error: message });
    throw error;
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
  const limits = batchLimits(settings.batch);
  const size = await expectedCanvas(pending[0].place.input, settings, fleet.network);
  const known = { fleet, size, signal, runtime: describeVersions().onnxruntime, folder: run.cache };
  const plan = await planRun({ ...known, settings, limits, pictures: pending.length, measure: "if-needed" });
  onPlan(plan);
  const slots = new WorkerSlots<number>({ chains: pending.length, ahead: picturesAhead });
  for (let worker = 0; worker < workers; worker++) slots.join(worker, limits);
  const stop = new AbortController();
  const scan = new PrefixScan();
  const stopped = AbortSignal.any([signal, stop.signal]);
  // One listener a picture in flight is no leak, however many that are.
  setMaxListeners(0, stopped);
  const shared = {
    settings,
    operators: new CanvasOperators(settings.task, fleet.network, mask),
    scan,
    plan: plan.chosen,
    files: new LocatedFiles(openStore),
    whole: new WholeRestoration({ settings, maskHash, fleet, slots, signal: stopped }),
    signal: stopped,
  };
  const queue = pending.values();
  const lane = async (parts: RunParts): Promise<void> => {
    // All lanes draw from one iterator, so every picture is taken once.
    for (const picture of queue) {
      if (parts.signal.aborted) return;
      try {
        await restoreAndRecord(picture, parts, run);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }
  };
  const most = workers * (limits.pictures + picturesAhead);
  const turns = plan.groups.map((group) => new WorkerTurns(fleet.host, group));
  const lanes = Math.min(pending.length, plan.chosen === "serial" ? most : turns.length * chainsAtATime);
  const ended = await Promise.allSettled(
    Array.from({ length: lanes }, (_, i) => lane({ ...shared, turns: turns[i % turns.length] })),
  );
  await scan.release();
  // A run that was stopped has other worries, and one that could not tell leaves the next one as wise as itself.
  if (!stopped.aborted) await learnCosts(known).catch(() => {});
  const failure = ended.find((result) => result.status === "rejected");
  if (failure) throw asFatal(failure.reason);
}

const asFatal = (error: unknown): FatalError =>
  error instanceof FatalError ? error : new FatalError(String(error), { cause: error });
