/** One picture from input file to output file, tried again where that may help. */
import { setTimeout as delay } from "node:timers/promises";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { DeqfleetError, FatalError, RetryableError } from "../../shared/errors.js";
import { finite } from "../../shared/finite.js";
import type { ChosenPlan } from "../planner/choose-plan.js";
import type { RoundProgress } from "../solver/solve-chain.js";
import type { PicturePlace } from "./picture-places.js";
import type { ReportItem } from "./report.js";
import { type ChainTurns, type CutParts, CutRestoration } from "./restore-cut.js";
import { fileLocation, type WholeRestoration } from "./restore-whole.js";
import type { RestoredFile } from "./restored-file.js";

/** Attempts a picture gets in all, where its errors are retryable. */
export const pictureAttempts = 3;

/** Between two attempts: a stream breaks a moment before the death of its worker is known. */
const retryMilliseconds = 250;

/** What all pictures of a run share. */
export interface RunParts extends Omit<CutParts, "settings"> {
  readonly settings: RestoreSettings;
  /** Of the workers that cut chains of this lane have. */
  readonly turns: ChainTurns;
  readonly plan: ChosenPlan;
  readonly whole: WholeRestoration;
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

/** Makes one attempt; calls `begin` when the picture is at work. */
type Attempt = (attempt: number, begin: () => void) => Promise<RestoredFile>;

function attemptsOf(place: PicturePlace, parts: RunParts, onRound: PictureObserver["round"]): Attempt {
  if (parts.plan === "serial") {
    // A picture that brings its worker down takes those beside it along: for its last attempt it gets a worker alone.
    return (attempt, begin) => parts.whole.restore(place, attempt === pictureAttempts, begin);
  }
  const { relativePath: pictureId, input, output, measurement } = place;
  const files = {
    input: fileLocation(input),
    output: fileLocation(output),
    measurement: measurement === undefined ? undefined : fileLocation(measurement),
  };
  const cut = new CutRestoration({ pictureId, ...files }, parts);
  return (_, begin) => cut.restore(parts.turns, begin, onRound);
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
  const { settings, plan, signal } = parts;
  let started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  const attemptOnce = attemptsOf(place, parts, observer.round);
  let attempts = 0;
  try {
    signal.throwIfAborted();
    let restored: RestoredFile | undefined;
    while (restored === undefined) {
      const attempt = ++attempts;
      try {
        restored = await attemptOnce(attempt, () => {
          // Pictures wait for a worker before that.
          if (attempt === 1) started = performance.now();
          observer.attempt(attempt);
        });
      } catch (error) {
        if (!(error instanceof RetryableError) || attempts >= pictureAttempts || signal.aborted) throw error;
        await delay(retryMilliseconds, undefined, { signal });
      }
    }
    const { outputHash, judgement, residuals, fallback, seconds, ...known } = restored;
    const total = elapsed();
    const other = Math.max(0, total - seconds.model - seconds.wire);
    const item: ReportItem = {
      ...emptyItem(place, settings),
      status: "done",
      plan,
      ...known,
      residuals: residuals.map(finite),
      ...judgement,
      seconds: { total, model: seconds.model, wire: seconds.wire, other },
      attempts,
      ...(fallback && { fallback }),
      ...(place.measurement === undefined ? {} : { measurement: place.measurement }),
    };
    return { item, outputHash };
  } catch (error) {
    // The error of another picture, which has stopped the run, is not this one's.
    if (error instanceof FatalError && error !== signal.reason) throw error;
    const empty = emptyItem(place, settings);
    // Once the run is being stopped, whatever a picture says is an echo of that.
    if (signal.aborted) return { item: { ...empty, attempts }, outputHash: undefined };
    const seconds = { ...empty.seconds, total: elapsed() };
    const message = describeFailure(error, attempts);
    return {
      item: { ...empty, status: "failed", plan, seconds, error: message, attempts },
      outputHash: undefined,
    };
  }
}

function describeFailure(error: unknown, attempts: number): string {
  const message = DeqfleetError.messageOf(error);
  return error instanceof RetryableError ? `${message} (given up after ${attempts} attempts)` : message;
}
