/**
 * Everything a round combines, in one block of memory:
 *
 *     entry       1       correction of the entry state
 *     state       n + 1   z_p .. z_q
 *     noise       n       noise estimates
 *     offset      m       A^+ y, and fresh noise where the chain has any
 *     exit        1       the composition s_{p:q}
 *
 * A correction is made in place: the states of one round give way to those of the next.
 */
import { PictureError } from "../../shared/errors.js";
import type { RowPool } from "../../shared/kernels/row-pool.js";
import type { StateKernels } from "../../shared/kernels/state-kernels.js";
import type { StateRows, StepRows } from "../../shared/kernels/state-rows.js";
import { stateSize } from "../../shared/kernels/state-space.js";
import type { Array32 } from "../../shared/onnx/session.js";

/** What a slice keeps besides its rows. */
export interface SliceKeeps {
  /** Corrections of the last scan, for mixing. */
  readonly deltas: boolean;
  /** Samples of the round before, for secants. */
  readonly secants: boolean;
}

/** The rows of a slice of n steps. */
export class SliceBuffer {
  readonly block: StateRows;
  /** n: steps of the slice. */
  readonly steps: number;
  readonly offsets: number;
  readonly entry = 0;
  readonly firstState = 1;
  readonly firstNoise: number;
  readonly firstOffset: number;
  readonly exit: number;
  readonly #pool: RowPool;

  /**
   * @param scans whether the slice is corrected; else its steps are only made
   * @throws PictureError if the slice needs more memory than there is, or than 4 GiB
   */
  constructor(
    pool: RowPool,
    kernels: StateKernels,
    steps: number,
    offsets: number,
    keeps: SliceKeeps | undefined,
  ) {
    this.#pool = pool;
    this.steps = steps;
    this.offsets = offsets;
    this.firstNoise = steps + 2;
    this.firstOffset = 2 * steps + 2;
    this.exit = this.firstOffset + offsets;
    const rows = this.exit + 1;
    const { height, width } = kernels.space.picture;
    try {
      const sizes = keeps ? { steps, ...keeps } : { steps: 0, deltas: false, secants: false };
      this.block = pool.take(kernels, { rows, ...sizes });
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      const needed = ((4 * rows * stateSize(kernels.space)) / 2 ** 30).toFixed(1);
      throw new PictureError(
        `a slice of ${steps} steps at ${width}x${height} needs ${needed} GiB or more, and a slice may hold 4 GiB: use more workers, fewer steps, --plan serial or a smaller picture`,
        { cause },
      );
    }
  }

  /** Gives the memory back; the buffer must not be used any more. */
  close(): void {
    this.#pool.give(this.block);
  }

  /** States [from, to) of the slice. */
  states(from: number, to: number): Array32 {
    return this.block.rows(this.firstState + from, this.firstState + to);
  }

  /** Noise estimates of steps [from, to). */
  noise(from: number, to: number): Array32 {
    return this.block.rows(this.firstNoise + from, this.firstNoise + to);
  }

  /** Row of the fresh noise of a step; undefined where the chain has none. */
  freshNoise(step: number): number | undefined {
    return this.offsets > 1 ? this.firstOffset + 1 + step : undefined;
  }

  /** The rows of the steps from `from` on. */
  rowsFrom(from: number): Omit<StepRows, "weights"> {
    return {
      states: this.firstState + from,
      noise: this.firstNoise + from,
      measurement: this.firstOffset,
      fresh: this.freshNoise(from),
    };
  }

  /** The same with what is made of them. */
  stepRows(from: number, weights: StepRows["weights"]): StepRows {
    return { ...this.rowsFrom(from), weights };
  }
}
