/**
 * Whole pictures from store to store: read, prepared, solved, judged, written. While the engine computes, the next pictures are
 * read and the last ones written.
 *
 * Invariants:
 * 1. An output is written after everything else about its picture is known, and is the last thing that is done for it.
 * 2. Once its signal aborts, nothing of a picture is written any more.
 * 3. Prepared are at most as many pictures as fill a network call, one that waits to take the place of the first to end, and two
 *    that are being read: those asked for beyond that wait, and hold nothing.
 */
import { createHash } from "node:crypto";
import { type BatchLimits, batchLimits, picturesPerCall } from "../../shared/chain/batch-limits.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type { ChainSpec, SerialReport } from "../../shared/chain/slice-host.js";
import { crashPoint } from "../../shared/crash-point.js";
import { InputError } from "../../shared/errors.js";
import type { Restoration } from "../../shared/jobs/job.js";
import { decodeMask } from "../../shared/pictures/mask.js";
import { CanvasOperators } from "../../shared/restore/canvas.js";
import { finishPicture, measurementFile } from "../../shared/restore/finish-picture.js";
import { type LocatedFiles, largestFile, shownLocation } from "../../shared/restore/located-files.js";
import {
  type MeasuredPicture,
  type PreparedPicture,
  preparePicture,
} from "../../shared/restore/prepare-picture.js";
import type { RestoredHere, StoredMask, WholePicture } from "../../shared/restore/whole-picture.js";
import { PartTimer } from "../../shared/telemetry/timed-parts.js";
import { Gate } from "./gate.js";

/** Restores whole pictures, many at a time. */
export interface PictureRestorer {
  /**
   * @throws PictureError if the picture cannot be restored, InputError if the settings are wrong, StoreUnavailableError if a store
   *   cannot be used at present, FatalError if local files cannot be written, the signal's reason when it aborts
   */
  restore(picture: WholePicture, signal: AbortSignal): Promise<RestoredHere>;
  close(): Promise<void>;
}

/** Runs a chain from its start to its end, beside others. */
export type SolveChain = (chain: ChainSpec, signal: AbortSignal) => Promise<SerialReport>;

/** What pictures are restored with. */
export interface WholePicturesParts {
  readonly network: NetworkCard;
  readonly files: LocatedFiles;
  readonly solve: SolveChain;
  /** Limits of the network calls that chains share; default: those of an engine. */
  readonly batch?: BatchLimits | undefined;
}

/** Tasks, and masks, whose operators are kept: those of the jobs that are served side by side. */
const keptTasks = 4;

/** Pictures that are read at a time, so that one is decoded while another is waited for. */
const reading = 2;

/** Seconds since an arbitrary moment. */
const now = (): number => performance.now() / 1000;

/** See the invariants above. */
export class WholePictures implements PictureRestorer {
  readonly #parts: WholePicturesParts;
  readonly #limits: BatchLimits;
  readonly #intake = new Gate();
  /** The engine: a full call and one chain more. */
  readonly #engine = new Gate(1);
  /** By task and mask, in order of last use. */
  readonly #operators = new Map<string, Promise<CanvasOperators>>();

  constructor(parts: WholePicturesParts) {
    this.#parts = parts;
    this.#limits = parts.batch ?? batchLimits(null);
  }

  async restore(picture: WholePicture, signal: AbortSignal): Promise<RestoredHere> {
    const started = now();
    const timer = new PartTimer();
    const { files } = this.#parts;
    const { restoration, measurement, output } = picture;
    const { prepared, report } = await this.#solve(picture, timer, signal);
    signal.throwIfAborted();
    const { file, judgement } = await timer.time("encode", () =>
      finishPicture(shownLocation(output), prepared, report.exit),
    );
    if (measurement) {
      const measured = await measurementFile(shownLocation(measurement), prepared, restoration.task);
      await files.write(measurement, measured, signal);
    }
    const sha256 = await timer.time("write", () => files.write(output, file, signal));
    crashPoint("after-output-written");
    const seconds = { network: report.seconds.network, total: now() - started };
    const { canvas } = prepared.canvas;
    const { evaluations } = report;
    return { restored: { ...judgement, sha256, evaluations, canvas, seconds }, parts: timer.parts };
  }

  close(): Promise<void> {
    return this.#parts.files.close();
  }

  /** Reads and solves a picture. */
  async #solve(
    picture: WholePicture,
    timer: PartTimer,
    signal: AbortSignal,
  ): Promise<{ readonly prepared: MeasuredPicture; readonly report: SerialReport }> {
    const leaveIntake = await this.#intake.enter(1 / reading, signal);
    try {
      const { chain, ...prepared } = await this.#prepare(picture, timer, signal);
      const share = 1 / picturesPerCall(this.#limits, chain.canvas);
      const leaveEngine = await this.#engine.enter(share, signal);
      leaveIntake();
      try {
        const report = await timer.time("evaluate", () => this.#parts.solve(chain, signal));
        return { prepared, report };
      } finally {
        leaveEngine();
      }
    } finally {
      leaveIntake();
    }
  }

  async #prepare(picture: WholePicture, timer: PartTimer, signal: AbortSignal): Promise<PreparedPicture> {
    const { restoration, input, mask, pictureId } = picture;
    const operators = await this.#operatorsOf(restoration, mask, signal);
    const bytes = await timer.time("read", () =>
      this.#parts.files.read(input, largestFile(restoration), signal),
    );
    signal.throwIfAborted();
    return timer.time("decode", () =>
      preparePicture({ path: shownLocation(input), bytes, pictureId }, restoration, operators),
    );
  }

  async #operatorsOf(
    restoration: Restoration,
    mask: StoredMask | undefined,
    signal: AbortSignal,
  ): Promise<CanvasOperators> {
    const key = JSON.stringify([restoration.task, mask?.sha256]);
    const found = this.#operators.get(key);
    const operators = found ?? this.#loadOperators(restoration, mask, signal);
    this.#operators.delete(key);
    this.#operators.set(key, operators);
    if (this.#operators.size > keptTasks) {
      const [oldest] = this.#operators.keys();
      this.#operators.delete(oldest!);
    }
    try {
      return await operators;
    } catch (error) {
      this.#operators.delete(key);
      // Whoever began to read the mask was cancelled; that is no reason for the others.
      if (found && !signal.aborted) return this.#operatorsOf(restoration, mask, signal);
      throw error;
    }
  }

  async #loadOperators(
    restoration: Restoration,
    mask: StoredMask | undefined,
    signal: AbortSignal,
  ): Promise<CanvasOperators> {
    const { files, network } = this.#parts;
    if (!mask) return new CanvasOperators(restoration.task, network, undefined);
    const path = shownLocation(mask.location);
    const bytes = await files.read(mask.location, largestFile(restoration), signal);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (sha256 !== mask.sha256) {
      throw new InputError(
        `mask ${path} has changed: its SHA-256 is ${sha256}, the pictures are to be restored with ${mask.sha256}`,
      );
    }
    return new CanvasOperators(restoration.task, network, await decodeMask(bytes, path));
  }
}
