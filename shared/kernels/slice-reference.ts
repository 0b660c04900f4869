/**
 * What the graphs of `slice-kernels.ts` and `split-basis.ts` compute, in plain TypeScript: the readable reference to
 * which tests hold them. Sums run in float64, results are rounded once.
 *
 * Rows are states; a part is stored as [rows, size] with the sizes of `splitLayout`.
 */
import type { DegradationOperator, RangeBasis } from "../operators/operator.js";
import { sampleStride } from "./slice-kernels.js";
import { lineWidth, type Part, parts, rangeIndicator, type SplitLayout, splitLayout } from "./split-basis.js";

/** One [rows, size] buffer for each part. */
export type SplitRows = Readonly<Record<Part, Float32Array>>;

/** A matrix of coefficients, row-major, for each part. */
export type SplitCoefficients = Readonly<Record<Part, Float32Array>>;

const perPart = <Value>(make: (part: Part) => Value): Record<Part, Value> => ({
  range: make("range"),
  null: make("null"),
});

const pixelCount = ({ picture }: DegradationOperator): number => 3 * picture.height * picture.width;

/** left [m, n] . right [n, columns], row-major. */
export function product(left: Float32Array, right: Float32Array, n: number): Float32Array {
  const m = left.length / n;
  const columns = right.length / n;
  return Float32Array.from({ length: m * columns }, (_, at) => {
    const row = Math.floor(at / columns);
    let sum = 0;
    for (let k = 0; k < n; k++) sum += left[row * n + k] * right[k * columns + (at % columns)];
    return sum;
  });
}

/** Positions on the stored grid of the range coordinates of `toSpectrum`, in their order. */
function storedPositions(operator: DegradationOperator): number[] {
  const { range } = splitLayout(operator.basis, operator.picture);
  const { basis } = operator;
  const kept = basis.kind === "pixel-mask" || basis.kind === "separable" ? basis.kept : undefined;
  return Array.from({ length: range }, (_, at) => at).filter((at) => !kept || kept[at % kept.length] === 1);
}

/** left x right^T of every channel (the full grid, kept or not), or the adjoint left^T v right. */
function gridTransform(
  basis: Extract<RangeBasis, { kind: "separable" }>,
  picture: Float32Array,
  adjoint: boolean,
): Float32Array {
  const { left, rows, right, columns } = basis;
  const area = rows * columns;
  return picture.map((_, at) => {
    const plane = at - (at % area);
    const i = Math.floor((at % area) / columns);
    const j = at % columns;
    let sum = 0;
    for (let k = 0; k < rows; k++) {
      for (let l = 0; l < columns; l++) {
        const onLeft = adjoint ? left[k * rows + i] : left[i * rows + k];
        const onRight = adjoint ? right[l * columns + j] : right[j * columns + l];
        sum += onLeft * onRight * picture[plane + k * columns + l];
      }
    }
    return sum;
  });
}

/** The grid on which both parts of a disjoint layout lie: the coordinates of a square basis, else the pixels. */
const toGrid = ({ basis }: DegradationOperator, picture: Float32Array): Float32Array =>
  basis.kind === "separable" ? gridTransform(basis, picture, false) : picture;

const fromGrid = ({ basis }: DegradationOperator, grid: Float32Array): Float32Array =>
  basis.kind === "separable" ? gridTransform(basis, grid, true) : grid;

const join = (rows: readonly Float32Array[]): Float32Array =>
  Float32Array.from(rows.flatMap((row) => [...row]));

const rowsOf = (values: Float32Array, size: number): Float32Array[] =>
  Array.from({ length: values.length / size }, (_, row) => values.subarray(row * size, (row + 1) * size));

/** x -> (V^T x, x - V V^T x), the latter on the grid where the layout is disjoint. x: [rows, 3, H, W]. */
export function analyze(operator: DegradationOperator, x: Float32Array): SplitRows {
  const layout = splitLayout(operator.basis, operator.picture);
  const positions = storedPositions(operator);
  const split = rowsOf(x, pixelCount(operator)).map((picture) => {
    const spectrum = operator.toSpectrum(picture);
    const range = new Float32Array(layout.range);
    for (const [i, at] of positions.entries()) range[at] = spectrum[i];
    const inRange = operator.fromSpectrum(spectrum);
    const rest = picture.map((v, i) => v - inRange[i]);
    return { range, null: layout.disjoint ? toGrid(operator, rest) : rest };
  });
  return perPart((part) => join(split.map((row) => row[part])));
}

/** (range, null) -> x, [rows, 3, H, W]. */
export function synthesize(operator: DegradationOperator, split: SplitRows): Float32Array {
  const layout = splitLayout(operator.basis, operator.picture);
  const positions = storedPositions(operator);
  const nulls = rowsOf(split.null, layout.null);
  return join(
    rowsOf(split.range, layout.range).map((range, row) => {
      const inRange = operator.fromSpectrum(Float32Array.from(positions, (at) => range[at]));
      const rest = layout.disjoint ? fromGrid(operator, nulls[row]) : nulls[row];
      return inRange.map((v, i) => v + rest[i]);
    }),
  );
}

/** <a_i, b_i> of every row. */
export function dots(a: Float32Array, b: Float32Array, size: number): Float32Array {
  const others = rowsOf(b, size);
  return Float32Array.from(rowsOf(a, size), (row, i) =>
    row.reduce((sum, v, at) => sum + v * others[i][at], 0),
  );
}

/** States, residuals and next states of one round. */
export interface RoundRows {
  readonly state: SplitRows;
  readonly source: SplitRows;
  readonly next: SplitRows;
}

/** The rows with all lines but every k-th left out. */
const sampled = (rows: Float32Array, size: number, width: number, stride: number): Float32Array =>
  rows.filter((_, at) => Math.floor((at % size) / width) % stride === 0);

/**
 * <dz, dz> and <dz, df> of every row of one part, dz the change of its state between two rounds and df that of the
 * state its step makes, f(z) = source + next, over every k-th line.
 */
export function secantProducts(
  operator: DegradationOperator,
  part: Part,
  now: RoundRows,
  before: RoundRows,
): { dzdz: Float32Array; dzdf: Float32Array } {
  const size = splitLayout(operator.basis, operator.picture)[part];
  const width = lineWidth(operator.basis, operator.picture, part);
  const rows = now.state[part].length / size;
  const change = (of: keyof RoundRows) => now[of][part].map((v, i) => v - before[of][part][i]);
  const [source, next] = [change("source"), change("next")];
  const sample = (values: Float32Array) => sampled(values, size, width, sampleStride(size));
  const dz = sample(change("state"));
  const df = sample(source.map((v, i) => v + next[i]));
  const sampledSize = dz.length / rows;
  return { dzdz: dots(dz, dz, sampledSize), dzdf: dots(dz, df, sampledSize) };
}

/** <a_i, b_i> of every row, both parts summed. */
export function rowDots(layout: SplitLayout, a: SplitRows, b: SplitRows): Float32Array {
  const [range, rest] = parts.map((part) => dots(a[part], b[part], layout[part]));
  return range.map((v, i) => v + rest[i]);
}

/** One packed row: the sum of both parts where they are disjoint, else one after the other. */
export function pack(layout: SplitLayout, row: SplitRows): Float32Array {
  if (layout.disjoint) return row.range.map((v, i) => v + row.null[i]);
  return Float32Array.from([...row.range, ...row.null]);
}

/** The two parts of one packed row. */
export function unpack(operator: DegradationOperator, packed: Float32Array): SplitRows {
  const layout = splitLayout(operator.basis, operator.picture);
  if (!layout.disjoint) {
    return { range: packed.slice(0, layout.range), null: packed.slice(layout.range) };
  }
  const inside = rangeIndicator(operator.basis, operator.picture);
  return { range: packed.map((v, i) => v * inside[i]), null: packed.map((v, i) => v * (1 - inside[i])) };
}

/** transfer . source per part, packed; transfer: [1, n]. */
export function compose(layout: SplitLayout, transfer: SplitCoefficients, source: SplitRows): Float32Array {
  return pack(
    layout,
    perPart((part) => product(transfer[part], source[part], transfer[part].length)),
  );
}
