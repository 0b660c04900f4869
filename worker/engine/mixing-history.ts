/**
 * Anderson mixing of a slice's corrected states, each state with coefficients of its own (DeqIR, arXiv 2311.11600,
 * section 4.3: "parallel sampling with Anderson acceleration").
 *
 * With X_k the states of round k and G_k their corrections, F_k = X_k + G_k; state i of the next round is
 * sum_j alpha_ij F_j with alpha minimising the mixed correction. Gram rows are computed where the states live; they
 * need no exchange, because a boundary state is corrected alike on both of its sides.
 */
import { andersonCoefficients } from "../../shared/chain/anderson.js";
import type { Mixing } from "../../shared/chain/method.js";
import type { SliceKernels } from "../../shared/kernels/slice-kernels.js";
import { parts, type SplitLayout } from "../../shared/kernels/split-basis.js";
import { bothParts, makeRows, type Rows, rowsView } from "./slice-states.js";

/** The last m corrections and corrected states of a slice. */
export class MixingHistory {
  readonly #mixing: Mixing;
  readonly #kernels: SliceKernels;
  readonly #layout: SplitLayout;
  readonly #rows: number;
  /** G of every slot, [rows, size]. */
  readonly #corrections: Rows[] = [];
  /** F of every state, [slots, size]: the slots of one state lie together, so that mixing them is one product. */
  readonly #corrected: Rows[];
  /** Gram matrix of every state, [m, m]. */
  readonly #grams: Float64Array[];
  #rounds = 0;

  constructor(mixing: Mixing, kernels: SliceKernels, layout: SplitLayout, rows: number) {
    this.#mixing = mixing;
    this.#kernels = kernels;
    this.#layout = layout;
    this.#rows = rows;
    this.#corrected = Array.from({ length: rows }, () => makeRows(layout, mixing.memory));
    this.#grams = Array.from({ length: rows }, () => new Float64Array(mixing.memory ** 2));
  }

  /** Starts over. */
  clear(): void {
    this.#rounds = 0;
  }

  /**
   * Takes the newest corrections and corrected states, and replaces each of the latter by its mixture.
   * @param from first row that was corrected
   * @param plain rows up to this one keep their plain correction
   */
  async mix(corrections: Rows, corrected: Rows, from: number, plain: number): Promise<void> {
    const { memory, ridge } = this.#mixing;
    const slot = this.#rounds % memory;
    this.#rounds++;
    const kept = Math.min(this.#rounds, memory);
    this.#corrections[slot] ??= makeRows(this.#layout, this.#rows);
    for (const part of parts) {
      this.#corrections[slot][part].set(corrections[part]);
      for (let row = from; row < this.#rows; row++) {
        rowsView(this.#layout, this.#corrected[row], part, slot, slot + 1).values.set(
          rowsView(this.#layout, corrected, part, row, row + 1).values,
        );
      }
    }
    await this.#extendGrams(slot, kept, from);
    for (let row = Math.max(from, plain + 1); row < this.#rows; row++) {
      const gram = Float64Array.from(
        { length: kept * kept },
        (_, at) => this.#grams[row][Math.floor(at / kept) * memory + (at % kept)],
      );
      const alpha = Float32Array.from(andersonCoefficients(gram, kept, ridge));
      for (const part of parts) {
        await this.#kernels.combine.run(
          {
            coefficients: { values: alpha, dims: [1, kept] },
            rows: rowsView(this.#layout, this.#corrected[row], part, 0, kept),
          },
          { out: rowsView(this.#layout, corrected, part, row, row + 1) },
        );
      }
    }
  }

  /** <G_slot, G_j> of every state for every slot j kept. */
  async #extendGrams(slot: number, kept: number, from: number): Promise<void> {
    const { memory } = this.#mixing;
    for (let other = 0; other < kept; other++) {
      const dots = new Float32Array(this.#rows - from);
      await this.#kernels.rowDots.run(
        {
          ...bothParts(this.#layout, "a", this.#corrections[slot], from, this.#rows),
          ...bothParts(this.#layout, "b", this.#corrections[other], from, this.#rows),
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
