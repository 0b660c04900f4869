/** The buffers of a slice: its states and what the last round found out about them. Rows are states, begin..end. */
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
