/** Matrices whose rows are zero but for a few numbers that follow each other. */
import type { DenseMatrix } from "./dense-matrix.js";

/** A row: its numbers other than zero, and those between them. */
export interface Band {
  /** Column of the first. */
  readonly first: number;
  readonly taps: Float32Array;
}

/** A banded matrix, [rows.length, columns]. */
export interface BandedMatrix {
  readonly columns: number;
  readonly rows: readonly Band[];
}

/** A dense matrix as its bands; a row of zeros has a band of one. */
export function bandedMatrix({ rows, columns, values }: DenseMatrix): BandedMatrix {
  const bandOf = (i: number): Band => {
    const row = values.subarray(i * columns, (i + 1) * columns);
    const first = Math.max(
      0,
      row.findIndex((value) => value !== 0),
    );
    const last = Math.max(
      first,
      row.findLastIndex((value) => value !== 0),
    );
    return { first, taps: Float32Array.from(row.subarray(first, last + 1)) };
  };
  return { columns, rows: Array.from({ length: rows }, (_, i) => bandOf(i)) };
}
