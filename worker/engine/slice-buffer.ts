/**
 * Everything a round combines, in one block of memory, so that a correction of all states is one product over rows:
 *
 *     entry       1       correction of the entry state
 *     state       n + 1   z_p .. z_q
 *     noise       n       noise estimates
 *     offset      m       A^+ y, and fresh noise where the chain has any
 *
 * Where the space has riders (range coordinates), every row has its own.
 */
import { riderSize, type StateSpace, stateSize } from "../../shared/kernels/state-space.js";
import type { Array32 } from "../../shared/onnx/session.js";

/** A small coefficient matrix in the form kernels take. */
export function matrix(rows: number, columns: number, at: (row: number, column: number) => number): Array32 {
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) values[i * columns + j] = at(i, j);
  return { values, dims: [rows, columns] };
}

/** View of rows [from, to) of an array of rows. */
export function rowsOf(all: Float32Array, size: number, from: number, to: number): Array32 {
  return { values: all.subarray(from * size, to * size), dims: [to - from, size] };
}

/** The block of one slice. */
export class SliceBuffer {
  /** n: steps of the slice. */
  readonly steps: number;
  readonly offsets: number;
  readonly firstState = 1;
  readonly firstNoise: number;
  readonly firstOffset: number;
  readonly end: number;
  readonly #size: number;
  readonly #riderSize: number;
  readonly #rows: Float32Array;
  readonly #riders: Float32Array;

  constructor(space: StateSpace, steps: number, offsets: number) {
    this.steps = steps;
    this.offsets = offsets;
    this.firstNoise = steps + 2;
    this.firstOffset = 2 * steps + 2;
    this.end = this.firstOffset + offsets;
    this.#size = stateSize(space);
    this.#riderSize = riderSize(space);
    this.#rows = new Float32Array(this.end * this.#size);
    this.#riders = new Float32Array(this.end * this.#riderSize);
  }

  /** Rows [from, to). */
  rows(from: number, to: number): Array32 {
    return rowsOf(this.#rows, this.#size, from, to);
  }

  /** Riders of rows [from, to); undefined where the space has none. */
  riders(from: number, to: number): Array32 | undefined {
    return this.#riderSize > 0 ? rowsOf(this.#riders, this.#riderSize, from, to) : undefined;
  }

  /** Rows [from, to) with their riders, named as the kernels name them. */
  inputs(from: number, to: number): Record<string, Array32> {
    const riders = this.riders(from, to);
    return riders ? { rows: this.rows(from, to), riders } : { rows: this.rows(from, to) };
  }

  /** States [from, to) of the slice. */
  states(from: number, to: number): Array32 {
    return this.rows(this.firstState + from, this.firstState + to);
  }

  /** Noise estimates of steps [from, to). */
  noise(from: number, to: number): Array32 {
    return this.rows(this.firstNoise + from, this.firstNoise + to);
  }

  /** Copies rows [from, to) of another block, riders too, to row `at` of this one. */
  copy(source: SliceBuffer, from: number, to: number, at: number): void {
    this.rows(at, at + to - from).values.set(source.rows(from, to).values);
    const riders = source.riders(from, to);
    if (riders) this.riders(at, at + to - from)?.values.set(riders.values);
  }
}
