/** One picture from input file to output file: the attempts that a run makes of it. */
import { DeqfleetError, FatalError, PictureError, RetryableError } from "../../shared/errors.js";
import { finite } from "../../shared/finite.js";
import { outputName } from "../../shared/pictures/encode.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import type { RestoredItem } from "../jobs/run-item.js";
import type { ChosenPlan } from "../planner/choose-plan.js";
import type { RoundProgress } from "../solver/solve-chain.js";
import { type ChainTurns, type CutParts, CutRestoration } from "./restore-cut.js";
import type { PendingPicture } from "./restore-job.js";
import { fileLocation, type WholeRestoration } from "./restore-whole.js";
import type { RestoredFile } from "./restored-file.js";

/** What all pictures of a run share. */
export interface RunParts extends CutParts {
  readonly plan: ChosenPlan;
  readonly whole: WholeRestoration;
}

/** Told of what happens to the picture. */
export interface PictureObserver {
  readonly attempt: (attempt: number) => void;
  readonly round: (progress: RoundProgress) => void;
}

/** How an attempt is made. */
export interface AttemptOptions {
  /** 1 for the first. */
  readonly attempt: number;
  /** Whether nothing else may run on its worker: a picture that brings its worker down takes those beside it along. */
  readonly alone: boolean;
  /** Of the workers that cut chains of this lane have. */
  readonly turns: ChainTurns;
  /** Their names. */
  readonly workers: string;
}

/** A picture of a run. */
export class PictureAttempts {
  readonly #picture: PendingPicture;
  readonly #parts: RunParts;
  readonly #observer: PictureObserver;
  /** Its input is read once. */
  readonly #cut: CutRestoration | undefined;
  #started = performance.now();
  #begun = 0;
  #worker = "";

  constructor(picture: PendingPicture, parts: RunParts, observer: PictureObserver) {
    this.#picture = picture;
    this.#parts = parts;
    this.#observer = observer;
    if (parts.plan === "serial") return;
    const { relativePath: pictureId, input, output, measurement } = picture.place;
    const files = {
      input: fileLocation(input),
      output: fileLocation(output),
      measurement: measurement === undefined ? undefined : fileLocation(measurement),
    };
    this.#cut = new CutRestoration({ pictureId, ...files }, parts);
  }

  /** Attempts so far. */
  get begun(): number {
    return this.#begun;
  }

  /** Seconds since a worker began it. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /**
   * Makes an attempt: when it resolves the output is visible and durable.
   * @throws PictureError if it cannot be restored, RetryableError if it may be in another attempt, FatalError if nothing more can be
   *   written
   */
  async make(options: AttemptOptions): Promise<RestoredItem> {
    const { plan } = this.#parts;
    this.#begun = options.attempt;
    const { place, content } = this.#picture;
    const restored = await this.#restore(options).catch((error: unknown) => {
      throw this.#failure(error);
    });
    const { outputHash, judgement, residuals, fallback, rounds, evaluations } = restored;
    const { converged, losses, moved } = restored;
    const { model, wire } = restored.seconds;
    return {
      output: outputName(place.relativePath),
      sha256: outputHash,
      worker: this.#worker,
      plan,
      rounds,
      evaluations,
      residual: finite(residuals.at(-1) ?? Number.NaN),
      ...judgement,
      seconds: this.seconds,
      // Where its content was not known when the run began, a later run restores it again.
      ...(content === undefined ? {} : { inputSha256: content.sha256 }),
      course: {
        ...{ converged, residuals: residuals.map(finite), losses },
        ...(moved === undefined ? {} : { moved }),
        ...(fallback && { fallback }),
        seconds: { model, wire },
      },
    };
  }

  #restore({ attempt, alone, turns, workers }: AttemptOptions): Promise<RestoredFile> {
    const begin = (worker = workers) => {
      // Pictures wait for a worker before that.
      if (attempt === 1) this.#started = performance.now();
      this.#worker = worker;
      this.#observer.attempt(attempt);
    };
    return (
      this.#cut?.restore(turns, () => begin(), this.#observer.round) ??
      this.#parts.whole.restore(this.#picture.place, alone, begin)
    );
  }

  #failure(error: unknown): unknown {
    if (this.#parts.signal.aborted || error instanceof FatalError) return error;
    // A run has its files on this machine: there is no store to wait for.
    if (error instanceof StoreUnavailableError) return new RetryableError(error.message, { cause: error });
    return error instanceof DeqfleetError
      ? error
      : new PictureError(DeqfleetError.messageOf(error), { cause: error });
  }
}
