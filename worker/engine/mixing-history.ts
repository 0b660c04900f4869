/**
 * Anderson mixing of a slice's corrected states, each state with coefficients of its own.
 *
 * With X_k the states of round k and G_k their corrections, F_k = X_k + G_k; state i of the next round is
 * sum_j alpha_ij F_j with alpha minimising the mixed correction: that of the state itself (DeqIR, arXiv 2311.11600), or those of
 * all states up to it together (ParaTAA, arXiv 2402.09970).
 *
 * A state's own Gram matrix is computed where it lives, and needs no exchange, because a boundary state is corrected alike on both of its
 * sides. The sum over the states before it is what the coordinator knows of the slices before, and the slice itself adds up.
 */
import { andersonCoefficients, triangularCoefficients } from "../../shared/chain/anderson.js";
import type { Mixing } from "../../shared/chain/method.js";
import { PictureError } from "../../shared/errors.js";
import type { Address, RowKernels } from "../../shared/kernels/row-kernels.js";
import { RowPlan } from "../../shared/kernels/row-memory.js";
import type { Array32 } from "../../shared/onnx/session.js";

/** The states [from, to) whose corrections were taken last, and the row up to which they keep them unmixed. */
interface Taken {
  readonly from: number;
  readonly to: number;
  readonly plain: number;
}

const nothing: Taken = { from: 0, to: 0, plain: 0 };

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
  /** Gram matrix of every state by slot, [m, m]. */
  readonly #grams: Float64Array[];
  /** Rounds whose entries are kept, by state: states that enter a window have fewer than others. */
  readonly #kept: Int32Array;
  #rounds = 0;
  #taken: Taken = nothing;

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
    this.#taken = nothing;
  }

  /** The rows to be mixed. */
  get taken(): Taken {
    return this.#taken;
  }

  #at(base: Address, row: number, slot: number): Address {
    return base + 4 * this.#size * (row * this.#mixing.memory + slot);
  }

  #values(at: Address): Float32Array {
    return new Float32Array(this.#memory, at, this.#size);
  }

  /** The slot of a round so many rounds before the newest. */
  #slot(age: number): number {
    const { memory } = this.#mixing;
    return (this.#rounds - 1 - age + memory * (age + 1)) % memory;
  }

  /**
   * Takes the newest corrections and corrected states.
   * @param corrections of states [from, to)
   * @param corrected states [from, to)
   * @param plain rows up to this one keep their plain correction; those before it are final
   */
  take(corrections: Array32, corrected: Array32, from: number, to: number, plain: number): void {
    this.#rounds++;
    this.#taken = { from, to, plain };
    const slot = this.#slot(0);
    const rowOf = ({ values }: Array32, row: number) =>
      values.subarray((row - from) * this.#size, (row - from + 1) * this.#size);
    for (let row = from; row < to; row++) {
      this.#values(this.#at(this.#corrections, row, slot)).set(rowOf(corrections, row));
      this.#values(this.#at(this.#corrected, row, slot)).set(rowOf(corrected, row));
      this.#kept[row] = Math.min(this.#kept[row] + 1, this.#mixing.memory);
      this.#extendGram(row);
    }
  }

  /** The Gram matrices of the states taken last, but for the slice's entry state and final ones, newest first: their sum, [m, m]. */
  gramSums(): number[] {
    const { from, to, plain } = this.#taken;
    const sums = new Float64Array(this.#mixing.memory ** 2);
    for (let row = Math.max(1, from, plain); row < to; row++) this.#addGram(row, sums);
    return [...sums];
  }

  /**
   * Replaces the states taken last by their mixtures.
   * @param states [from, to) of the last call of {@link take}
   * @param before where mixing is triangular: {@link gramSums} of the states before the slice, its entry state included
   */
  mix(states: Array32, before: readonly number[] = []): void {
    const { fit, memory, ridge } = this.#mixing;
    const { from, to, plain } = this.#taken;
    const joint = new Float64Array(memory ** 2);
    const coefficients = fit === "own" ? andersonCoefficients : triangularCoefficients;
    for (let row = from; row < to; row++) {
      if (fit === "own") joint.fill(0);
      if (fit === "own" || (row > 0 && row >= plain)) this.#addGram(row, joint);
      if (row <= plain) continue;
      const kept = this.#kept[row];
      const gram = Float64Array.from({ length: kept * kept }, (_, at) => {
        const index = Math.floor(at / kept) * memory + (at % kept);
        return joint[index] + (before[index] ?? 0);
      });
      const mixture = this.#mixture(row, coefficients(gram, kept, ridge));
      states.values.set(mixture, (row - from) * this.#size);
    }
    this.#taken = nothing;
  }

  /** Adds the Gram matrix of one state, newest first. */
  #addGram(row: number, sums: Float64Array): void {
    const { memory } = this.#mixing;
    for (let j = 0; j < this.#kept[row]; j++) {
      for (let k = 0; k < this.#kept[row]; k++) {
        sums[j * memory + k] += this.#grams[row][this.#slot(j) * memory + this.#slot(k)];
      }
    }
  }

  /** sum_j alpha_j F_j of one state, newest first. */
  #mixture(row: number, alpha: ArrayLike<number>): Float32Array {
    const addresses = new Uint32Array(this.#memory, this.#terms, 4 * alpha.length);
    const weights = new Float32Array(this.#memory, this.#terms, 4 * alpha.length);
    for (let age = 0; age < alpha.length; age++) {
      addresses[4 * age] = this.#at(this.#corrected, row, this.#slot(age));
      weights[4 * age + 2] = alpha[age];
    }
    this.#run.combineRows(this.#terms, alpha.length, this.#mixed, 4 * this.#size);
    return this.#values(this.#mixed);
  }

  /** <G_newest, G_j> for every round j kept. */
  #extendGram(row: number): void {
    const { memory } = this.#mixing;
    const slot = this.#slot(0);
    const newest = this.#at(this.#corrections, row, slot);
    for (let age = 0; age < this.#kept[row]; age++) {
      const other = this.#slot(age);
      const found = this.#run.dot(newest, this.#at(this.#corrections, row, other), 4 * this.#size);
      this.#grams[row][slot * memory + other] = found;
      this.#grams[row][other * memory + slot] = found;
    }
  }
}
