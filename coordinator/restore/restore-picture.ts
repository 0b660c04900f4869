/** One picture from input file to output file, tried again where that may help. */
import { setTimeout as delay } from "node:timers/promises";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { DeqfleetError, FatalError, RetryableError } from "../../shared/errors.js";
import type { WorkerSlots } from "../fleet/worker-slots.js";
import type { Fleet } from "../fleet.js";
import type { ChosenPlan } from "../planner/choose-plan.js";
import type { PrefixScan } from "../solver/prefix-scan.js";
import { type RoundProgress, type Solution, solveSerial, solveTimeParallel } from "../solver/solve-chain.js";
import type { CanvasOperators } from "./canvas.js";
import { finishPicture, saveMeasurement } from "./finish-picture.js";
import type { Gate } from "./gate.js";
import type { PicturePlace } from "./picture-places.js";
import { type PreparedPicture, preparePicture } from "./prepare-picture.js";
import { finite, type ReportItem } from "./report.js";

/** Attempts a picture gets in all, where its errors are retryable. */
export const pictureAttempts = 3;

/** Between two attempts: a stream breaks a moment before the death of its worker is known. */
const retryMilliseconds = 250;

/** What all pictures of a run share. */
export interface RunParts {
  readonly settings: RestoreSettings;
  readonly fleet: Fleet;
  readonly operators: CanvasOperators;
  readonly scan: PrefixScan;
  readonly plan: ChosenPlan;
  /** Where whole chains run; a worker is its number in the fleet. */
  readonly slots: WorkerSlots<number>;
  /** Lets pictures in that are read ahead and wait for a worker; their number bounds the memory. */
  readonly intake: Gate;
  readonly signal: AbortSignal;
}

/** Told of what happens to the picture. */
export interface PictureObserver {
  readonly attempt: (attempt: number) => void;
  readonly round: (progress: RoundProgress) => void;
}

/** The item of a picture of which nothing is known yet. */
export function emptyItem(place: PicturePlace, settings: RestoreSettings): ReportItem {
  return {
    input: place.input,
    output: place.output,
    status: "cancelled",
    plan: null,
    method: settings.method,
    steps: settings.steps,
    rounds: null,
    evaluations: null,
    residuals: [],
    converged: null,
    consistency: null,
    psnr: null,
    ssim: null,
    seconds: { total: null, model: null, wire: null, other: null },
  };
}

/** Runs a whole chain on the worker that has the least to do; `begin` is called when it has a place there. */
async function solveWhole(
  { chain }: PreparedPicture,
  attempt: number,
  { fleet, slots, signal }: RunParts,
  begin: () => void,
): Promise<Solution> {
  // A picture that brings its worker down takes those beside it along: for its last attempt it gets a worker alone.
  const slot = await slots.acquire(chain.canvas, attempt === pictureAttempts, signal);
  try {
    begin();
    return await solveSerial(chain, fleet.host, slot.worker, signal);
  } finally {
    slot.release();
  }
}

function solveCut(
  { chain, canvas }: PreparedPicture,
  { settings, fleet, scan, signal }: RunParts,
  onRound: (progress: RoundProgress) => void,
): Promise<Solution> {
  const { tol: tolerance, maxRounds, window } = settings;
  const limits = { tolerance, maxRounds: maxRounds ?? undefined, window: window ?? undefined };
  const parts = { host: fleet.host, scan, operator: canvas.operator };
  return solveTimeParallel(chain, limits, parts, signal, (progress) => {
    signal.throwIfAborted();
    onRound(progress);
  });
}

/** The item of a restored picture and the SHA-256 of its file. */
export interface RestoredPicture {
  readonly item: ReportItem;
  readonly outputHash: string;
}

/**
 * Restores one picture.
 * @returns the restored picture, or the item of one that failed or was cancelled
 * @throws FatalError if nothing more can be written
 */
export async function restorePicture(
  place: PicturePlace,
  parts: RunParts,
  observer: PictureObserver,
): Promise<RestoredPicture | { readonly item: ReportItem; readonly outputHash: undefined }> {
  const { settings, operators, plan, intake, signal } = parts;
  const leaveIntake = await intake.enter();
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  let attempts = 0;
  try {
    signal.throwIfAborted();
    const prepared = await preparePicture(place, settings, operators);
    if (place.measurement !== undefined) await saveMeasurement(place.measurement, prepared, settings.task);
    let solution: Solution | undefined;
    while (solution === undefined) {
      const attempt = ++attempts;
      const begin = () => {
        leaveIntake();
        observer.attempt(attempt);
      };
      try {
        if (plan === "serial") solution = await solveWhole(prepared, attempt, parts, begin);
        else {
          begin();
          solution = await solveCut(prepared, parts, observer.round);
        }
      } catch (error) {
        if (!(error instanceof RetryableError) || attempts >= pictureAttempts || signal.aborted) throw error;
        await delay(retryMilliseconds, undefined, { signal });
      }
    }
    signal.throwIfAborted();
    const { outputHash, ...judgement } = await finishPicture(place, prepared, solution.picture);
    const { rounds, evaluations, converged, losses, fallback, seconds } = solution;
    const total = elapsed();
    const other = Math.max(0, total - seconds.model - seconds.wire);
    const item: ReportItem = {
      ...emptyItem(place, settings),
      status: "done",
      plan,
      rounds,
      evaluations,
      residuals: solution.residuals.map(finite),
      converged,
      ...judgement,
      seconds: { total, model: seconds.model, wire: seconds.wire, other },
      attempts,
      losses,
      ...(fallback && { fallback }),
      ...(place.measurement === undefined ? {} : { measurement: place.measurement }),
    };
    return { item, outputHash };
  } catch (error) {
    if (error instanceof FatalError) throw error;
    const empty = emptyItem(place, settings);
    // Once the run is being stopped, whatever a picture says is an echo of that.
    if (signal.aborted) return { item: { ...empty, attempts }, outputHash: undefined };
    const seconds = { ...empty.seconds, total: elapsed() };
    const message = describeFailure(error, attempts);
    return {
      item: { ...empty, status: "failed", plan, seconds, error: message, attempts },
      outputHash: undefined,
    };
  } finally {
    leaveIntake();
  }
}

function describeFailure(error: unknown, attempts: number): string {
  const message = DeqfleetError.messageOf(error);
  return error instanceof RetryableError ? `${message} (given up after ${attempts} attempts)` : message;
}
