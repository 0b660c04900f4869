/** A picture whose chain is cut over several workers: the coordinator reads, prepares, judges and writes it. */
import type { SliceHost } from "../../shared/chain/slice-host.js";
import type { Restoration } from "../../shared/jobs/job.js";
import type { CanvasOperators } from "../../shared/restore/canvas.js";
import { finishPicture, measurementFile } from "../../shared/restore/finish-picture.js";
import { type LocatedFiles, largestFile, shownLocation } from "../../shared/restore/located-files.js";
import { type PreparedPicture, preparePicture } from "../../shared/restore/prepare-picture.js";
import type { WholePicture } from "../../shared/restore/whole-picture.js";
import { addMoment, withSpan } from "../../shared/telemetry/tracing.js";
import type { PrefixScan } from "../solver/prefix-scan.js";
import { type RoundProgress, type Solution, solveTimeParallel } from "../solver/solve-chain.js";
import type { RestoredFile } from "./restored-file.js";

/** Where a picture is read from and written to. */
export type CutPlace = Pick<WholePicture, "pictureId" | "input" | "output" | "measurement">;

/** The workers, for as long as one chain needs them. */
export interface ChainTurn extends SliceHost {
  /** The chain is over. */
  end(): void;
}

/** Who may have the workers next. */
export interface ChainTurns {
  /** Waits until there are workers. The turn has to be ended, whatever comes of the chain. */
  take(): Promise<ChainTurn>;
}

/** What all cut pictures of a run share. */
export interface CutParts {
  readonly settings: Restoration;
  readonly operators: CanvasOperators;
  readonly scan: PrefixScan;
  readonly files: LocatedFiles;
  readonly signal: AbortSignal;
}

/** Restores one picture, whose input is read once however often its chain is tried. */
export class CutRestoration {
  readonly #place: CutPlace;
  readonly #parts: CutParts;
  #prepared: PreparedPicture | undefined;

  constructor(place: CutPlace, parts: CutParts) {
    this.#place = place;
    this.#parts = parts;
  }

  /**
   * Solves the picture's chain and writes what comes of it.
   * @param turns where the workers come from
   * @param begin called when the chain is about to be solved
   */
  async restore(
    turns: ChainTurns,
    begin: () => void,
    onRound: (progress: RoundProgress) => void,
  ): Promise<RestoredFile> {
    const { settings, scan, files, signal } = this.#parts;
    const { tol: tolerance, maxRounds, window } = settings;
    this.#prepared ??= await withSpan("prepare", {}, () => this.#prepare());
    const { chain, ...prepared } = this.#prepared;
    const limits = { tolerance, maxRounds: maxRounds ?? undefined, window: window ?? undefined };
    const turn = await turns.take();
    let solution: Solution;
    try {
      signal.throwIfAborted();
      begin();
      const solver = { host: turn, scan, operator: prepared.canvas.operator };
      const observe = (progress: RoundProgress) => {
        signal.throwIfAborted();
        const { round, largestRatio: residual } = progress;
        addMoment("round", { "deqfleet.round": round, "deqfleet.residual": residual });
        onRound(progress);
      };
      solution = await withSpan(
        "solve",
        { "deqfleet.steps": settings.steps, "deqfleet.workers": turn.width },
        () => solveTimeParallel(chain, limits, solver, signal, observe),
      );
    } finally {
      turn.end();
    }
    const { picture, ...known } = solution;
    signal.throwIfAborted();
    const { output } = this.#place;
    const { file, judgement } = await withSpan("encode", {}, () =>
      finishPicture(shownLocation(output), prepared, picture),
    );
    const outputHash = await withSpan("write", {}, () => files.write(output, file, signal));
    return { ...known, outputHash, judgement };
  }

  async #prepare(): Promise<PreparedPicture> {
    const { settings, operators, files, signal } = this.#parts;
    const { input, measurement, pictureId } = this.#place;
    const bytes = await files.read(input, largestFile(settings), signal);
    const prepared = await preparePicture(
      { path: shownLocation(input), bytes, pictureId },
      settings,
      operators,
    );
    if (measurement !== undefined) {
      const measured = await measurementFile(shownLocation(measurement), prepared, settings.task);
      await files.write(measurement, measured, signal);
    }
    return prepared;
  }
}
