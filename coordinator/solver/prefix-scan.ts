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
  /** Rows whose riders are theirs. */
  readonly #ridden = new Set<number>();

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
  advance(
    slice: number,
    entry: Float32Array | undefined,
    s: Float32Array | undefined,
    transfer: StepJacobian,
  ): Float32Array {
    this.take(slice, s);
    return this.carry(slice, entry, transfer);
  }

  /** Copies what a slice reported, for {@link carry}. */
  take(slice: number, s: Float32Array | undefined): void {
    const { values } = this.#block.rows(slice, slice + 1);
    if (s) values.set(s);
    else values.fill(0);
    this.#ridden.delete(slice);
  }

  /** {@link advance} with what was taken last. */
  carry(slice: number, entry: Float32Array | undefined, transfer: StepJacobian): Float32Array {
    const block = this.#block;
    const exit = block.rows(slice, slice + 1).values;
    if (!entry) return exit;
    const carried = this.#rowOf(entry, slice - 1);
    for (const row of [carried, slice]) {
      if (!this.#ridden.has(row)) block.fillRiders(row, row + 1);
    }
    const terms = [
      { row: carried, ...transfer },
      { row: slice, range: 1, null: 1 },
    ];
    block.combine(terms, slice);
    this.#ridden.add(slice);
    return exit;
  }

  /** The row of the slice before, if the correction is what the scan found there; else a row of its own that receives it. */
  #rowOf(entry: Float32Array, before: number): number {
    const block = this.#block;
    if (before >= 0) {
      const { values } = block.rows(before, before + 1);
      if (values.buffer === entry.buffer && values.byteOffset === entry.byteOffset) return before;
    }
    const row = this.#slices;
    block.rows(row, row + 1).values.set(entry);
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

/** Corrections of the entry states of slices, by their number; undefined where the entry state is final. */
export type EntryCorrections = Pick<readonly (Float32Array | undefined)[], "at">;

/**
 * The corrections that reports lead to, each made when it is first asked for: the first slices are at work again while those of the
 * others are made.
 */
export class BoundaryCorrections implements EntryCorrections {
  readonly #ranges: readonly StepRange[];
  readonly #reports: readonly RoundReport[];
  readonly #correctFrom: number;
  readonly #scan: ChainScan;
  readonly #made: (Float32Array | undefined)[] = [undefined];

  /** Copies what was reported: it is valid only until the slices are called again. */
  constructor(
    ranges: readonly StepRange[],
    reports: readonly RoundReport[],
    correctFrom: number,
    scan: ChainScan,
  ) {
    this.#ranges = ranges;
    this.#reports = reports;
    this.#correctFrom = correctFrom;
    this.#scan = scan;
    // Behind the last slice is nothing that a correction could be for.
    for (const [index, { exit }] of reports.slice(0, -1).entries()) scan.take(index, exit);
  }

  /** @param index of a slice, 0 or more */
  at(index: number): Float32Array | undefined {
    while (this.#made.length <= index && this.#made.length < this.#ranges.length) this.#advance();
    return this.#made[index];
  }

  /** Those of the slices from number `first` on. */
  from(first: number): EntryCorrections {
    return first === 0 ? this : { at: (index) => this.at(first + index) };
  }

  #advance(): void {
    const index = this.#made.length - 1;
    const entry = this.#made[index];
    const { exit, transfer } = this.#reports[index];
    const still = this.#ranges[index].end <= this.#correctFrom || (!exit && !entry);
    const carried = still ? undefined : this.#scan.carry(index, entry, transfer);
    this.#made.push(this.#correctFrom < this.#ranges[index + 1].begin ? carried : undefined);
  }
}
