/**
 * Anderson mixing of a slice's corrected states, each state with coefficients of its own (DeqIR, arXiv 2311.11600).
 *
 * With X_k the states of round k and G_k their corrections, F_k = X_k + G_k; state i of the next round is
 * sum_j alpha_ij F_j with alpha minimising the mixed correction. Gram rows are computed where the states live; they
 * need no exchange, because a boundary state is corrected alike on both of its sides.
 */
import { andersonCoefficients } from "../../shared/chain/anderson.js";
import type { Mixing } from "../../shared/chain/method.js";
import { PictureError } from "../../shared/errors.js";
import type { Address, RowKernels } from "../../shared/kernels/row-kernels.js";
import { RowPlan } from "../../shared/kernels/row-memory.js";
import type { Array32 } from "../../shared/onnx/session.js";

/** The last m corrections and corrected states of a slice. */
export class MixingHistory {
  readonly #mixing: Mixing;
  readonly #size: number;
  readonly #memory: ArrayBuffer;
  readonly #run: RowKernels;
  /** G of every state and slot, [rows, m, size]. */
  readonly #corrections: Address;
  /** F of every state and slot, [rows, m, size]. */
  readonly #corrected: Address;
  readonly #mixed: Address;
  readonly #terms: Address;
  /** Gram matrix of every state, [m, m]. */
  readonly #grams: Float64Array[];
  /** Rounds whose entries are kept, by state: states that enter a window have fewer than others. */
  readonly #kept: Int32Array;
  #rounds = 0;

  /**
   * @param size numbers of a state
   * @param rows states of the slice
   * @throws PictureError if the history exceeds 4 GiB
   */
  constructor(mixing: Mixing, size: number, rows: number) {
    const { memory } = mixing;
    const plan = new RowPlan();
    this.#mixing = mixing;
    this.#size = size;
    this.#kept = new Int32Array(rows);
    this.#terms = plan.words(4 * memory);
    this.#mixed = plan.words(size);
    this.#corrections = plan.words(rows * memory * size);
    this.#corrected = plan.words(rows * memory * size);
    this.#grams = Array.from({ length: rows }, () => new Float64Array(memory ** 2));
    try {
      const allocated = plan.allocate();
      this.#memory = allocated.memory;
      this.#run = allocated.kernels;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new PictureError(
        `mixing keeps ${2 * memory} copies of ${rows} states of ${size} numbers, and a slice may hold 4 GiB: use more workers, fewer steps or another --method`,
        { cause },
      );
    }
  }

  /** Starts over. */
  clear(): void {
    this.#kept.fill(0);
  }

  #at(base: Address, row: number, slot: number): Address {
    return base + 4 * this.#size * (row * this.#mixing.memory + slot);
  }

  #values(at: Address): Float32Array {
    return new Float32Array(this.#memory, at, this.#size);
  }

  /**
   * Takes the newest corrections and corrected states, and replaces each of the latter by its mixture.
   * @param corrections of states [from, to)
   * @param corrected states [from, to)
   * @param plain rows up to this one keep their plain correction
   */
  mix(corrections: Array32, corrected: Array32, from: number, to: number, plain: number): void {
    const { memory, ridge } = this.#mixing;
    const slot = this.#rounds % memory;
    this.#rounds++;
    const rowOf = ({ values }: Array32, row: number) =>
      values.subarray((row - from) * this.#size, (row - from + 1) * this.#size);
    for (let row = from; row < to; row++) {
      this.#values(this.#at(this.#corrections, row, slot)).set(rowOf(corrections, row));
      this.#values(this.#at(this.#corrected, row, slot)).set(rowOf(corrected, row));
      const kept = Math.min(this.#kept[row] + 1, memory);
      this.#kept[row] = kept;
      const slots = Array.from({ length: kept }, (_, age) => (slot - age + memory) % memory).sort(
        (a, b) => a - b,
      );
      this.#extendGram(row, slot, slots);
      if (row <= plain) continue;
      const gram = Float64Array.from(
        { length: kept * kept },
        (_, at) => this.#grams[row][slots[Math.floor(at / kept)] * memory + slots[at % kept]],
      );
      rowOf(corrected, row).set(this.#mixture(row, slots, andersonCoefficients(gram, kept, ridge)));
    }
  }

  /** sum_j alpha_j F_j of one state. */
  #mixture(row: number, slots: readonly number[], alpha: ArrayLike<number>): Float32Array {
    const addresses = new Uint32Array(this.#memory, this.#terms, 4 * alpha.length);
    const weights = new Float32Array(this.#memory, this.#terms, 4 * alpha.length);
    for (const [j, slot] of slots.entries()) {
      addresses[4 * j] = this.#at(this.#corrected, row, slot);
      weights[4 * j + 2] = alpha[j];
    }
    this.#run.combineRows(this.#terms, alpha.length, this.#mixed, 4 * this.#size);
    return this.#values(this.#mixed);
  }

  /** <G_slot, G_j> for every slot j kept. */
  #extendGram(row: number, slot: number, slots: readonly number[]): void {
    const { memory } = this.#mixing;
    const newest = this.#at(this.#corrections, row, slot);
    for (const other of slots) {
      const found = this.#run.dot(newest, this.#at(this.#corrections, row, other), 4 * this.#size);
      this.#grams[row][slot * memory + other] = found;
      this.#grams[row][other * memory + slot] = found;
    }
  }
}
