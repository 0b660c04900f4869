/** A picture of a run in one piece: one worker does all of it, from input file to output file. */
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import type { Restoration } from "../../shared/jobs/job.js";
import { restorationOf } from "../../shared/jobs/restoration-of.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { Location, StoredMask, WholePicture } from "../../shared/restore/whole-picture.js";
import type { WorkerSlots } from "../fleet/worker-slots.js";
import type { Fleet } from "../fleet.js";
import type { PicturePlace } from "./picture-places.js";
import type { RestoredFile } from "./restored-file.js";

/** A file of this machine. */
export const fileLocation = (path: string): Location => ({ store: null, key: path });

/** What all whole pictures of a run share. */
export interface WholeParts {
  readonly settings: RestoreSettings;
  /** SHA-256 of the mask's file; null without one. */
  readonly maskHash: string | null;
  readonly fleet: Fleet;
  /** Where they run; a worker is its number in the fleet. */
  readonly slots: WorkerSlots<number>;
  readonly signal: AbortSignal;
}

/** Restores whole pictures. */
export class WholeRestoration {
  readonly #parts: WholeParts;
  readonly #restoration: Restoration;
  readonly #mask: StoredMask | undefined;
  /** The size of the picture restored last: those of a dataset mostly share a few. */
  #size: PictureSize | undefined;

  constructor(parts: WholeParts) {
    const { settings, maskHash } = parts;
    this.#parts = parts;
    this.#restoration = restorationOf(settings);
    if (settings.mask !== null && maskHash !== null) {
      this.#mask = { location: fileLocation(settings.mask), sha256: maskHash };
    }
  }

  /**
   * Restores a picture on the worker that has the least to do.
   * @param alone whether nothing else may run on that worker meanwhile
   * @param begin called with its name when it has a place there
   */
  async restore(place: PicturePlace, alone: boolean, begin: (worker: string) => void): Promise<RestoredFile> {
    const { fleet, slots, signal } = this.#parts;
    const slot = await slots.acquire(this.#size, alone, signal);
    try {
      begin(fleet.workers()[slot.worker]?.name ?? `worker-${slot.worker + 1}`);
      const started = performance.now();
      const restored = await fleet.restore(slot.worker, this.#picture(place), signal);
      const elapsed = (performance.now() - started) / 1000;
      const { sha256, evaluations, seconds, canvas, ...judgement } = restored;
      this.#size = canvas;
      return {
        outputHash: sha256,
        judgement,
        rounds: this.#restoration.steps,
        evaluations,
        residuals: [],
        converged: true,
        losses: 0,
        fallback: undefined,
        seconds: { model: seconds.network, wire: Math.max(0, elapsed - seconds.total) },
      };
    } finally {
      slot.release();
    }
  }

  #picture({ relativePath, input, output, measurement }: PicturePlace): WholePicture {
    return {
      pictureId: relativePath,
      restoration: this.#restoration,
      input: fileLocation(input),
      output: fileLocation(output),
      measurement: measurement === undefined ? undefined : fileLocation(measurement),
      mask: this.#mask,
    };
  }
}
