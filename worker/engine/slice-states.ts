/** The buffers of a slice. Rows are states, or what belongs to a state; columns are the numbers of a part. */
import { type Part, parts, type SplitLayout } from "../../shared/kernels/split-basis.js";
import type { Array32 } from "../../shared/onnx/session.js";

/** One buffer per part, [rows, size of the part]. */
export type Rows = Record<Part, Float32Array>;

/** Zeroed rows for `count` states. */
export function makeRows(layout: SplitLayout, count: number): Rows {
  return { range: new Float32Array(count * layout.range), null: new Float32Array(count * layout.null) };
}

/** View of rows [from, to) of one part. */
export function rowsView(layout: SplitLayout, rows: Rows, part: Part, from: number, to: number): Array32 {
  const size = layout[part];
  return { values: rows[part].subarray(from * size, to * size), dims: [to - from, size] };
}

/** Views of rows [from, to) of both parts, keyed `name.part` as the kernels name them. */
export function bothParts(
  layout: SplitLayout,
  name: string,
  rows: Rows,
  from: number,
  to: number,
): Record<string, Array32> {
  return Object.fromEntries(
    parts.map((part) => [name === "" ? part : `${name}.${part}`, rowsView(layout, rows, part, from, to)]),
  );
}

/** A small coefficient matrix in the form kernels take. */
export function matrix(rows: number, columns: number, at: (row: number, column: number) => number): Array32 {
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) values[i * columns + j] = at(i, j);
  return { values, dims: [rows, columns] };
}

/**
 * Everything a round combines, in one block of memory per part, so that a correction or a step of all states is one
 * matrix product over adjacent rows:
 *
 *     source      n + 1   row 0: correction of the entry state; row r + 1: f(z_r) - z_{r+1}
 *     state       n + 1   z_p .. z_q
 *     noise       n       noise estimates
 *     offset      m       A^+ y, and fresh noise where the chain has any
 */
export class SliceBuffer {
  readonly layout: SplitLayout;
  /** n: steps of the slice. */
  readonly steps: number;
  readonly offsets: number;
  readonly rows: Rows;
  readonly firstState: number;
  readonly firstNoise: number;
  readonly firstOffset: number;
  readonly end: number;

  constructor(layout: SplitLayout, steps: number, offsets: number) {
    this.layout = layout;
    this.steps = steps;
    this.offsets = offsets;
    this.firstState = steps + 1;
    this.firstNoise = 2 * steps + 2;
    this.firstOffset = 3 * steps + 2;
    this.end = this.firstOffset + offsets;
    this.rows = makeRows(layout, this.end);
  }

  /** Rows [from, to) of the whole block, one part. */
  view(part: Part, from: number, to: number): Array32 {
    return rowsView(this.layout, this.rows, part, from, to);
  }

  /** Sources of states [from, to), both parts. */
  sources(name: string, from: number, to: number): Record<string, Array32> {
    return bothParts(this.layout, name, this.rows, from, to);
  }

  /** States [from, to), both parts. */
  states(name: string, from: number, to: number): Record<string, Array32> {
    return bothParts(this.layout, name, this.rows, this.firstState + from, this.firstState + to);
  }

  /** Noise estimates of steps [from, to), both parts. */
  noise(name: string, from: number, to: number): Record<string, Array32> {
    return bothParts(this.layout, name, this.rows, this.firstNoise + from, this.firstNoise + to);
  }

  /** All states, as rows of their own. */
  stateRows(): Rows {
    const all = (part: Part) => this.view(part, this.firstState, this.firstNoise).values;
    return { range: all("range"), null: all("null") };
  }

  /** Copies rows [from, to) of another buffer's block to row `at` of this one. */
  copy(source: SliceBuffer, from: number, to: number, at: number): void {
    for (const part of parts) {
      this.view(part, at, at + to - from).values.set(source.view(part, from, to).values);
    }
  }
}
