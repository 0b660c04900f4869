/**
 * Anderson mixing of a slice's corrected states, each state with coefficients of its own (DeqIR, arXiv 2311.11600).
 *
 * With X_k the states of round k and G_k their corrections, F_k = X_k + G_k; state i of the next round is
 * sum_j alpha_ij F_j with alpha minimising the mixed correction. Gram rows are computed where the states live; they
 * need no exchange, because a boundary state is corrected alike on both of its sides.
 */
import { andersonCoefficients } from "../../shared/chain/anderson.js";
import type { Mixing } from "../../shared/chain/method.js";
import type { StateKernels } from "../../shared/kernels/state-kernels.js";
import { stateSize } from "../../shared/kernels/state-space.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { rowsOf } from "./slice-buffer.js";

/** The last m corrections and corrected states of a slice. */
export class MixingHistory {
  readonly #mixing: Mixing;
  readonly #kernels: StateKernels;
  readonly #size: number;
  readonly #rows: number;
  /** G of every slot, [rows, size]. */
  readonly #corrections: Float32Array[];
  /** F of every state, [slots, size]: the slots of one state lie together, so that mixing them is one product. */
  readonly #corrected: Float32Array[];
  /** Gram matrix of every state, [m, m]. */
  readonly #grams: Float64Array[];
  #rounds = 0;

  constructor(mixing: Mixing, kernels: StateKernels, rows: number) {
    this.#mixing = mixing;
    this.#kernels = kernels;
    this.#size = stateSize(kernels.space);
    this.#rows = rows;
    this.#corrections = Array.from({ length: mixing.memory }, () => new Float32Array(rows * this.#size));
    this.#corrected = Array.from({ length: rows }, () => new Float32Array(mixing.memory * this.#size));
    this.#grams = Array.from({ length: rows }, () => new Float64Array(mixing.memory ** 2));
  }

  /** Starts over. */
  clear(): void {
    this.#rounds = 0;
  }

  /** Where the corrections of states [from, rows) are to be written before {@link mix} is called. */
  correctionSlot(from: number): Array32 {
    const slot = this.#corrections[this.#rounds % this.#mixing.memory];
    return rowsOf(slot, this.#size, from, this.#rows);
  }

  /**
   * Takes the newest corrected states and replaces each by its mixture.
   * @param corrected states [from, rows)
   * @param plain rows up to this one keep their plain correction
   */
  async mix(corrected: Array32, from: number, plain: number): Promise<void> {
    const { memory, ridge } = this.#mixing;
    const slot = this.#rounds % memory;
    this.#rounds++;
    const kept = Math.min(this.#rounds, memory);
    const rowOf = (row: number) => rowsOf(corrected.values, this.#size, row - from, row - from + 1);
    for (let row = from; row < this.#rows; row++) {
      rowsOf(this.#corrected[row], this.#size, slot, slot + 1).values.set(rowOf(row).values);
    }
    await this.#extendGrams(slot, kept, from);
    for (let row = Math.max(from, plain + 1); row < this.#rows; row++) {
      const gram = Float64Array.from(
        { length: kept * kept },
        (_, at) => this.#grams[row][Math.floor(at / kept) * memory + (at % kept)],
      );
      const alpha = Float32Array.from(andersonCoefficients(gram, kept, ridge));
      await this.#kernels.mix.run(
        {
          coefficients: { values: alpha, dims: [1, kept] },
          rows: rowsOf(this.#corrected[row], this.#size, 0, kept),
        },
        { out: rowOf(row) },
      );
    }
  }

  /** <G_slot, G_j> of every state for every slot j kept. */
  async #extendGrams(slot: number, kept: number, from: number): Promise<void> {
    const { memory } = this.#mixing;
    for (let other = 0; other < kept; other++) {
      const dots = new Float32Array(this.#rows - from);
      await this.#kernels.rowDots.run(
        {
          a: rowsOf(this.#corrections[slot], this.#size, from, this.#rows),
          b: rowsOf(this.#corrections[other], this.#size, from, this.#rows),
        },
        { dots: { values: dots, dims: [dots.length] } },
      );
      for (let row = from; row < this.#rows; row++) {
        this.#grams[row][slot * memory + other] = dots[row - from];
        this.#grams[row][other * memory + slot] = dots[row - from];
      }
    }
  }
}
