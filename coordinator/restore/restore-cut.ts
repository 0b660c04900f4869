/** A picture of a run whose chain is cut over all workers: the coordinator reads, prepares, judges and writes it. */
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import type { CanvasOperators } from "../../shared/restore/canvas.js";
import { finishPicture, measurementFile } from "../../shared/restore/finish-picture.js";
import type { LocatedFiles } from "../../shared/restore/located-files.js";
import { type PreparedPicture, preparePicture } from "../../shared/restore/prepare-picture.js";
import type { Fleet } from "../fleet.js";
import type { PrefixScan } from "../solver/prefix-scan.js";
import { type RoundProgress, solveTimeParallel } from "../solver/solve-chain.js";
import type { PicturePlace } from "./picture-places.js";
import type { RestoredFile } from "./restored-file.js";

/** What all cut pictures of a run share. */
export interface CutParts {
  readonly settings: RestoreSettings;
  readonly fleet: Fleet;
  readonly operators: CanvasOperators;
  readonly scan: PrefixScan;
  readonly files: LocatedFiles;
  readonly signal: AbortSignal;
}

/** Restores one picture, whose input is read once however often its chain is tried. */
export class CutRestoration {
  readonly #place: PicturePlace;
  readonly #parts: CutParts;
  #prepared: PreparedPicture | undefined;

  constructor(place: PicturePlace, parts: CutParts) {
    this.#place = place;
    this.#parts = parts;
  }

  /**
   * Solves the picture's chain and writes what comes of it.
   * @param begin called when the chain is about to be solved
   */
  async restore(begin: () => void, onRound: (progress: RoundProgress) => void): Promise<RestoredFile> {
    const { settings, fleet, scan, files, signal } = this.#parts;
    const { tol: tolerance, maxRounds, window } = settings;
    this.#prepared ??= await this.#prepare();
    begin();
    const { chain, ...prepared } = this.#prepared;
    const limits = { tolerance, maxRounds: maxRounds ?? undefined, window: window ?? undefined };
    const solver = { host: fleet.host, scan, operator: prepared.canvas.operator };
    const solution = await solveTimeParallel(chain, limits, solver, signal, (progress) => {
      signal.throwIfAborted();
      onRound(progress);
    });
    const { picture, ...known } = solution;
    signal.throwIfAborted();
    const { output } = this.#place;
    const { file, judgement } = await finishPicture(output, prepared, picture);
    const outputHash = await files.write({ store: null, key: output }, file, signal);
    return { ...known, outputHash, judgement };
  }

  async #prepare(): Promise<PreparedPicture> {
    const { settings, operators, files, signal } = this.#parts;
    const { input, measurement, relativePath: pictureId } = this.#place;
    const bytes = await files.read({ store: null, key: input }, Number.POSITIVE_INFINITY, signal);
    const prepared = await preparePicture({ path: input, bytes, pictureId }, settings, operators);
    if (measurement !== undefined) {
      const measured = await measurementFile(measurement, prepared, settings.task);
      await files.write({ store: null, key: measurement }, measured, signal);
    }
    return prepared;
  }
}
