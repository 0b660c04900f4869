/**
 * The coordinator's part of the scan: corrections of the boundary states, slice by slice,
 *
 *     delta_q = D_{p:q} delta_p + s_{p:q}
 *
 * D being one scalar on the range and one on the null space of A.
 */
import type { StepJacobian } from "../../shared/chain/jacobian.js";
import type { RoundReport } from "../../shared/chain/slice-host.js";
import { RowPool } from "../../shared/kernels/row-pool.js";
import { loadStateKernels, type StateKernels } from "../../shared/kernels/state-kernels.js";
import type { StateRows } from "../../shared/kernels/state-rows.js";
import type { StateSpace } from "../../shared/kernels/state-space.js";
import type { StepRange } from "./cut-chain.js";

/** Spaces whose kernels are kept: pictures of one dataset mostly share one. */
const keptSpaces = 4;

/** Blocks of rows kept for the next chains. */
const keptBlocks = 4;

/** The scan of one chain. One call at a time. */
export class ChainScan {
  readonly #block: StateRows;
  readonly #pool: RowPool;
  readonly #slices: number;

  constructor(block: StateRows, pool: RowPool, slices: number) {
    this.#block = block;
    this.#pool = pool;
    this.#slices = slices;
  }

  /**
   * Correction of a slice's exit state.
   * @param entry correction of its entry state; undefined for none
   * @param s what the slice reported; undefined for zero
   * @returns memory of the scan's own, valid until this slice's next
   */
  async advance(
    slice: number,
    entry: Float32Array | undefined,
    s: Float32Array | undefined,
    transfer: StepJacobian,
  ): Promise<Float32Array> {
    const block = this.#block;
    const exit = block.rows(slice, slice + 1).values;
    if (s) exit.set(s);
    else exit.fill(0);
    block.fillRiders(slice, slice + 1);
    if (!entry) return exit;
    const carried = await this.#rowOf(entry, slice - 1);
    const terms = [
      { row: carried, ...transfer },
      { row: slice, range: 1, null: 1 },
    ];
    block.combine(terms, slice);
    return exit;
  }

  /** The row of the slice before, if the correction is what the scan found there; else a row of its own that receives it. With riders. */
  async #rowOf(entry: Float32Array, before: number): Promise<number> {
    const block = this.#block;
    if (before >= 0) {
      const { values } = block.rows(before, before + 1);
      if (values.buffer === entry.buffer && values.byteOffset === entry.byteOffset) return before;
    }
    const row = this.#slices;
    block.rows(row, row + 1).values.set(entry);
    block.fillRiders(row, row + 1);
    return row;
  }

  /** Gives the memory back. */
  close(): void {
    this.#pool.give(this.#block);
  }
}

/** Opens the scans of chains; one serves them all. */
export class PrefixScan {
  readonly #pool = new RowPool(keptBlocks);
  /** In order of last use. */
  readonly #kernels = new Map<StateSpace, Promise<StateKernels>>();

  #kernelsOf(space: StateSpace): Promise<StateKernels> {
    const loading = this.#kernels.get(space) ?? loadStateKernels(space, { threads: 1 });
    this.#kernels.delete(space);
    this.#kernels.set(space, loading);
    loading.catch(() => this.#kernels.delete(space));
    const [oldest] = this.#kernels.keys();
    if (this.#kernels.size > keptSpaces) this.#kernels.delete(oldest);
    return loading;
  }

  /** The scan of a chain cut into `slices`. */
  async open(space: StateSpace, slices: number): Promise<ChainScan> {
    const size = { rows: slices + 1, steps: 0, deltas: false, secants: false };
    return new ChainScan(this.#pool.take(await this.#kernelsOf(space), size), this.#pool, slices);
  }

  /** Frees the native sessions. */
  async release(): Promise<void> {
    for (const kernels of this.#kernels.values()) await (await kernels).release();
  }
}

/** Corrections of the entry states of all slices; undefined where the entry state is final. */
export async function scanBoundaries(
  ranges: readonly StepRange[],
  reports: readonly RoundReport[],
  correctFrom: number,
  scan: ChainScan,
): Promise<(Float32Array | undefined)[]> {
  const corrections: (Float32Array | undefined)[] = [];
  let entry: Float32Array | undefined;
  for (const [index, { begin, end }] of ranges.entries()) {
    const moved = correctFrom < begin ? entry : undefined;
    corrections.push(moved);
    // Behind the last slice is nothing that a correction could be for.
    if (index + 1 === ranges.length) break;
    const { exit, transfer } = reports[index];
    const still = end <= correctFrom || (!exit && !moved);
    entry = still ? undefined : await scan.advance(index, moved, exit, transfer);
  }
  return corrections;
}
