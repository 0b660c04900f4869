/**
 * `deqfleet restore`: a dataset from input files to output files, a job in the embedded log, and a report.
 *
 * Invariants:
 * 1. An output file is complete or absent, and its outcome is in the log before its picture counts as done.
 * 2. Whatever happens after the first picture was begun (interruption, full disk), a report is written if possible, with
 *    every picture in it: those not reached have the status `cancelled`.
 * 3. The fleet is closed before the run returns or throws.
 */
import { availableParallelism } from "node:os";
import { type BatchLimits, batchLimits } from "../../shared/chain/batch-limits.js";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { DeqfleetError, FatalError, InputError } from "../../shared/errors.js";
import type { Device } from "../../shared/onnx/session.js";
import { readMask } from "../../shared/pictures/mask.js";
import { sweepTemporaries } from "../../shared/pictures/temporary-file.js";
import type { Fleet } from "../fleet.js";
import { workerShape } from "../planner/default-workers.js";
import { cacheFolder } from "../planner/worker-costs.js";
import { contentOf } from "./picture-key.js";
import { findPlaces, type PicturePlace } from "./picture-places.js";
import { type ReportItem, type RestoreReport, writeReport } from "./report.js";
import { doneItem } from "./report-item.js";
import type { RestoreEvent, WorkerEvent } from "./restore-event.js";
import { type PendingPicture, RestoreJob } from "./restore-job.js";
import { writeResultsSheet } from "./results-sheet.js";
import { runPictures } from "./run-pictures.js";
import { makeReport, type RunRecord } from "./run-report.js";

/** Starts the workers of a run. */
export type StartFleet = (options: {
  readonly workers: number;
  /** Of each worker. */
  readonly threads: number;
  /** What they run on, in turn. */
  readonly devices: readonly Device[];
  /** Limits of the network calls that whole chains on one worker share. */
  readonly batch: BatchLimits;
  readonly modelPath: string;
  /** Where the coordinator listens, HOST:PORT. */
  readonly listen: string;
  readonly signal: AbortSignal;
  readonly onEvent: (event: WorkerEvent) => void;
}) => Promise<Fleet>;

/** What a run needs. */
export interface RestoreRun {
  readonly settings: RestoreSettings;
  readonly startFleet: StartFleet;
  /** Stops the run: no new pictures, those at work are abandoned. */
  readonly signal: AbortSignal;
  readonly onEvent?: (event: RestoreEvent) => void;
  /** Folder that relative inputs start from; default: the current one. */
  readonly cwd?: string;
  /** Default: the system's clock. */
  readonly now?: () => Date;
  /** Folder for what may be found out again; default: the user's cache folder. */
  readonly cache?: string;
  /** Cores to spread over; default: those this process may use. */
  readonly cores?: number;
}

async function hashOf(option: string, path: string): Promise<string> {
  try {
    return (await contentOf(path)).sha256;
  } catch (cause) {
    throw new InputError(`${option} ${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

/** Settles the pictures that an earlier run finished and returns the others. */
async function findPending(
  record: RunRecord,
  job: RestoreJob,
  signal: AbortSignal,
): Promise<PendingPicture[]> {
  const { settings, places, items } = record;
  const pending: PendingPicture[] = [];
  for (const place of places) {
    if (signal.aborted) break;
    // An input that cannot be read fails when its turn comes, with a better message.
    const content = await contentOf(place.input).catch(() => undefined);
    const outcome = content && (await job.finished(place, content));
    if (outcome) items.set(place, { ...doneItem(outcome, place, settings), status: "skipped" });
    else pending.push({ place, content });
  }
  return pending;
}

async function startWorkers(record: RunRecord, run: RestoreRun, pictures: number): Promise<Fleet> {
  const { startFleet, signal, onEvent = () => {}, cores = availableParallelism() } = run;
  const shape = workerShape({ ...record.settings, pictures, cores });
  record.settings = { ...record.settings, ...shape };
  try {
    return await startFleet({
      ...shape,
      devices: record.settings.devices,
      batch: batchLimits(record.settings.batch, record.settings.devices),
      modelPath: record.settings.model,
      listen: record.settings.listen,
      signal,
      onEvent: (event) => onEvent({ event: "worker", ...event }),
    });
  } catch (cause) {
    // Workers that were stopped while they started are no failure of theirs.
    signal.throwIfAborted();
    if (cause instanceof InputError || cause instanceof FatalError) throw cause;
    throw new FatalError(`the workers cannot be started: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

/** Restores what is pending; leaves a fatal error in the record. */
async function restorePending(
  pending: readonly PendingPicture[],
  record: RunRecord,
  job: RestoreJob,
  run: RestoreRun,
  onEvent: (event: RestoreEvent) => void,
): Promise<void> {
  const { signal } = run;
  const { items, places } = record;
  let fleet: Fleet | undefined;
  try {
    const mask = record.settings.mask === null ? undefined : await readMask(record.settings.mask);
    fleet = await startWorkers(record, run, pending.length);
    const workers = () => fleet?.workers() ?? [];
    await runPictures({
      pending,
      settings: record.settings,
      mask,
      maskHash: record.maskHash,
      fleet,
      job,
      signal,
      onEvent,
      cache: run.cache ?? cacheFolder(),
      onPlan: (plan) => {
        record.plan = plan;
        record.begun = performance.now();
        onEvent({
          event: "run-started",
          pictures: places.length,
          skipped: items.size,
          plan: plan.chosen,
          reason: plan.reason,
          workers: workers(),
        });
      },
      settle: (place, item) => {
        items.set(place, item);
        record.ended = performance.now();
      },
    });
  } catch (error) {
    if (error instanceof FatalError) record.error = error;
    else if (!signal.aborted) throw error;
  } finally {
    record.workers = fleet?.workers() ?? [];
    await fleet?.close().catch((cause) => {
      record.error ??= new FatalError(`the workers cannot be stopped: ${DeqfleetError.messageOf(cause)}`, {
        cause,
      });
    });
  }
}

/**
 * Restores a dataset. Pictures that fail are in the report; they are no error of the run.
 * @returns the report, as written
 * @throws InputError if the inputs, the mask or the model cannot work, FatalError if the output cannot be written or no
 *   worker can be started (the report is written first, if possible)
 */
export async function runRestore(run: RestoreRun): Promise<RestoreReport> {
  const { settings, signal, onEvent = () => {}, now = () => new Date(), cwd = process.cwd() } = run;
  const startedAt = now();
  const places = await findPlaces(settings, cwd);
  const modelHash = await hashOf("--model", settings.model);
  const maskHash = settings.mask === null ? null : await hashOf("--mask", settings.mask);
  const items = new Map<PicturePlace, ReportItem>();
  const record: RunRecord = {
    startedAt,
    places,
    items,
    modelHash,
    maskHash,
    settings,
    plan: undefined,
    begun: 0,
    ended: 0,
    workers: [],
    error: undefined,
  };
  const job = await RestoreJob.open(settings, { model: modelHash, mask: maskHash });
  try {
    // What a killed run left half written. A folder that cannot be swept can be written to all the same, or fails there.
    await sweepTemporaries(settings.out, { signal }).catch(() => {});
    const pending = await findPending(record, job, signal);
    for (const [place, item] of items)
      onEvent({ event: "picture-skipped", picture: place.relativePath, item });
    if (!signal.aborted) await job.begin(pending);
    if (pending.length > 0 && !signal.aborted) {
      await restorePending(pending, record, job, run, onEvent);
    } else {
      const reason = signal.aborted
        ? "interrupted before the first picture"
        : "every picture is already restored";
      const started = { pictures: places.length, skipped: items.size, plan: null, reason, workers: [] };
      onEvent({ event: "run-started", ...started });
    }
    if (record.error === undefined) await job.end();
  } finally {
    await job.close();
  }
  return conclude(record, now, onEvent);
}

/** Writes report and contact sheet. */
async function conclude(
  record: RunRecord,
  now: () => Date,
  onEvent: (event: RestoreEvent) => void,
): Promise<RestoreReport> {
  const { settings, places, items, error } = record;
  const report = makeReport(record, now());
  const written = writeReport(settings.report, report);
  if (error) {
    // What stopped the run (a full disk) often prevents the report too; the first error is the one to tell.
    await written.catch(() => {});
    throw error;
  }
  await written;
  if (settings.contactSheet) {
    const results = places.flatMap((place) => {
      const item = items.get(place);
      return item ? [{ place, item }] : [];
    });
    await writeResultsSheet(settings.out, results);
  }
  const { status, counts, seconds } = report.run;
  onEvent({ event: "run-finished", status, counts, seconds, report: settings.report });
  return report;
}
