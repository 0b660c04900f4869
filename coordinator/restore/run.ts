/**
 * `deqfleet restore`: a dataset from input files to output files, journal and report.
 *
 * Invariants:
 * 1. An output file is complete or absent, and is in the journal before its picture counts as done.
 * 2. Whatever happens after the first picture was begun (interruption, full disk), a report is written if possible, with
 *    every picture in it: those not reached have the status `cancelled`.
 * 3. The fleet is closed before the run returns or throws.
 */
import { availableParallelism } from "node:os";
import { type BatchLimits, batchLimits } from "../../shared/chain/batch-limits.js";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { DeqfleetError, FatalError, InputError } from "../../shared/errors.js";
import { readMask } from "../../shared/pictures/mask.js";
import type { Fleet, WorkerDescription } from "../fleet.js";
import type { PlanOption } from "../planner/choose-plan.js";
import { workerShape } from "../planner/default-workers.js";
import type { RunPlan } from "../planner/plan-run.js";
import { cacheFolder } from "../planner/worker-costs.js";
import { Journal } from "./journal.js";
import { describeMachine, describeVersions } from "./machine.js";
import { contentHash, pictureKey } from "./picture-key.js";
import { findPlaces, type PicturePlace } from "./picture-places.js";
import {
  countItems,
  type ReportItem,
  type RestoreReport,
  reportSchemaVersion,
  writeReport,
} from "./report.js";
import type { RestoreEvent, WorkerEvent } from "./restore-event.js";
import { emptyItem } from "./restore-picture.js";
import { writeResultsSheet } from "./results-sheet.js";
import { type PendingPicture, runPictures } from "./run-pictures.js";

/** The best of those that were not chosen. */
const alternativesShown = 8;

/** Starts the workers of a run. */
export type StartFleet = (options: {
  readonly workers: number;
  /** Of each worker. */
  readonly threads: number;
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

/** What a run has come to, filled in as it goes. */
interface RunRecord {
  readonly startedAt: Date;
  readonly places: readonly PicturePlace[];
  readonly items: Map<PicturePlace, ReportItem>;
  readonly modelHash: string;
  /** null without a mask. */
  readonly maskHash: string | null;
  settings: RestoreSettings;
  plan: RunPlan | undefined;
  /** Milliseconds of a clock that never goes back: when the pictures were begun, and when the last one was settled. */
  begun: number;
  ended: number;
  workers: readonly WorkerDescription[];
  error: FatalError | undefined;
}

async function hashOf(option: string, path: string): Promise<string> {
  try {
    return await contentHash(path);
  } catch (cause) {
    throw new InputError(`${option} ${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

/** Settles the pictures that an earlier run finished and returns the others. */
async function findPending(
  record: RunRecord,
  journal: Journal,
  signal: AbortSignal,
): Promise<PendingPicture[]> {
  const { settings, places, items, modelHash, maskHash } = record;
  const pending: PendingPicture[] = [];
  for (const place of places) {
    if (signal.aborted) break;
    // An input that cannot be read fails when its turn comes, with a better message.
    const input = await contentHash(place.input).catch(() => undefined);
    const hashes = input === undefined ? undefined : { input, model: modelHash, mask: maskHash };
    const key = hashes && pictureKey(settings, place.relativePath, hashes);
    const recorded = key && (await journal.finished(key, place.output));
    if (!recorded) {
      pending.push({ place, key });
      continue;
    }
    const { input: path, output, measurement } = place;
    // The folder may have moved since; the rest is as it was recorded.
    const files = measurement === undefined ? { input: path, output } : { input: path, output, measurement };
    items.set(place, { ...recorded, ...files, status: "skipped" });
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
      batch: batchLimits(record.settings.batch),
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

function describePlan({ settings, plan, items, begun, ended }: RunRecord): RestoreReport["run"]["plan"] {
  const { plan: requested, goal } = settings;
  if (!plan) {
    const none = {
      chosen: null,
      sideBySide: null,
      slices: null,
      costs: null,
      predicted: null,
      outcome: null,
    };
    return { requested, goal, ...none, reason: "no chain was run", alternatives: [] };
  }
  const known = plan.costs !== "unknown";
  const times = ({ seconds, latency }: PlanOption) => (known ? { seconds, latency } : null);
  const done = [...items.values()].filter(({ status }) => status === "done");
  const total = done.reduce((sum, { seconds }) => sum + (seconds.total ?? 0), 0);
  const outcome =
    done.length === 0 ? null : { seconds: (ended - begun) / 1000, latency: total / done.length };
  return {
    ...{ requested, goal, chosen: plan.chosen, sideBySide: plan.sideBySide, slices: plan.slices },
    reason: plan.reason,
    costs: plan.costs,
    predicted: times(plan),
    outcome,
    alternatives: plan.options
      .filter((option) => option.plan !== plan.chosen || option.slices !== plan.slices)
      .slice(0, alternativesShown)
      .map((option) => {
        const { plan: chosen, sideBySide, slices } = option;
        return { plan: chosen, sideBySide, slices, predicted: times(option) };
      }),
  };
}

function makeReport(record: RunRecord, finishedAt: Date): RestoreReport {
  const { settings, places, items, modelHash, workers, startedAt, error } = record;
  const all = places.map((place) => items.get(place) ?? emptyItem(place, settings));
  const counts = countItems(all);
  const status = error ? "failed" : counts.cancelled > 0 ? "cancelled" : "finished";
  return {
    schemaVersion: reportSchemaVersion,
    run: {
      status,
      ...(error ? { error: error.message } : {}),
      settings,
      model: { path: settings.model, hash: modelHash },
      machine: describeMachine(),
      workers: workers.map((worker) => ({ ...worker })),
      versions: describeVersions(),
      plan: describePlan(record),
      startedAt: startedAt.toISOString(),
      finishedAt: finishedAt.toISOString(),
      seconds: (finishedAt.getTime() - startedAt.getTime()) / 1000,
      counts,
    },
    items: all,
  };
}

/** Restores what is pending; leaves a fatal error in the record. */
async function restorePending(
  pending: readonly PendingPicture[],
  record: RunRecord,
  journal: Journal,
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
      journal,
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
  const journal = await Journal.open(settings.out);
  try {
    const pending = await findPending(record, journal, signal);
    for (const [place, item] of items)
      onEvent({ event: "picture-skipped", picture: place.relativePath, item });
    if (pending.length > 0 && !signal.aborted) {
      await restorePending(pending, record, journal, run, onEvent);
    } else {
      const reason = signal.aborted
        ? "interrupted before the first picture"
        : "every picture is already restored";
      const started = { pictures: places.length, skipped: items.size, plan: null, reason, workers: [] };
      onEvent({ event: "run-started", ...started });
    }
  } finally {
    await journal.close();
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
