/** A dense matrix of float64 values, row-major. */
export interface DenseMatrix {
  readonly rows: number;
  readonly columns: number;
  /** [rows * columns]. */
  readonly values: Float64Array;
}

/** A matrix whose entry (i, j) is `entry(i, j)`; zeros without it. */
export function denseMatrix(
  rows: number,
  columns: number,
  entry?: (row: number, column: number) => number,
): DenseMatrix {
  const values = new Float64Array(rows * columns);
  if (entry) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) values[i * columns + j] = entry(i, j);
    }
  }
  return { rows, columns, values };
}

/** The transpose, as a new matrix. */
export function transpose(a: DenseMatrix): DenseMatrix {
  return denseMatrix(a.columns, a.rows, (i, j) => a.values[j * a.columns + i]!);
}

/**
 * The product a b, [a.rows, b.columns].
 * @throws RangeError if the inner dimensions differ (a defect of the caller, never of the user's input)
 */
export function multiply(a: DenseMatrix, b: DenseMatrix): DenseMatrix {
  if (a.columns !== b.rows) {
    throw new RangeError(`cannot multiply ${a.rows}x${a.columns} by ${b.rows}x${b.columns}`);
  }
  const inner = a.columns;
  const width = b.columns;
  const left = a.values;
  const right = b.values;
  const product = new Float64Array(a.rows * width);
  // Loop order i-k-j: the innermost loop walks one row of b and one row of the product, both contiguous.
  for (let i = 0; i < a.rows; i++) {
    const out = i * width;
    for (let k = 0; k < inner; k++) {
      const factor = left[i * inner + k]!;
      if (factor === 0) continue;
      const row = k * width;
      for (let j = 0; j < width; j++) product[out + j]! += factor * right[row + j]!;
    }
  }
  return { rows: a.rows, columns: width, values: product };
}
