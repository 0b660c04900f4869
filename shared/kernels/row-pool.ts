/**
 * Blocks of rows that are used again: pictures of one dataset mostly need blocks of one size, and memory that has been
 * touched once costs nothing to touch again.
 */
import type { StateKernels } from "./state-kernels.js";
import { type RowBlockSize, StateRows } from "./state-rows.js";

/** A block is taken for a smaller one, but not for one of less than half its rows. */
const mostSpareRows = 2;

/** Whether a block of size `a` will do where `b` is asked for. */
const serves = (a: RowBlockSize, b: RowBlockSize): boolean =>
  a.rows >= b.rows &&
  a.rows <= mostSpareRows * b.rows &&
  a.steps >= b.steps &&
  a.deltas === b.deltas &&
  a.secants === b.secants;

/** Bytes kept at most; a larger block is not kept at all. */
const mostBytes = 2 ** 31;

/** Keeps the blocks given back last. */
export class RowPool {
  readonly #most: number;
  /** In order of their return. */
  #spare: StateRows[] = [];

  /** @param most blocks kept, 0 or more */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * A block of that size or a larger one, whose rows hold anything. Slices of one chain differ by a step or two, and their
   * lengths change as borders move: blocks of just their sizes would be made anew again and again, and wait to be collected.
   * @throws RangeError if it would exceed 4 GiB
   */
  take(kernels: StateKernels, size: RowBlockSize): StateRows {
    const [found] = this.#spare
      .filter((block) => block.kernels === kernels && serves(block.size, size))
      .sort((a, b) => a.size.rows - b.size.rows);
    if (!found) return new StateRows(kernels, size);
    this.#spare = this.#spare.filter((block) => block !== found);
    return found;
  }

  /** Gives a block back; it must not be used by the giver any more. */
  give(block: StateRows): void {
    this.#spare.push(block);
    const bytes = () => this.#spare.reduce((sum, spare) => sum + spare.bytes, 0);
    while (this.#spare.length > this.#most || bytes() > mostBytes) this.#spare.shift();
  }
}
