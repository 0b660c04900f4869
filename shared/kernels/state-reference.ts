/**
 * What the kernels of `state-rows.ts` compute, in plain TypeScript: the readable reference to
 * which tests hold them. The projection P is the operator's own V V^T. Sums run in float64, results are rounded once.
 *
 * States are [n, 3 H W], pictures [n, 3, H, W], riders [n, riderSize], coefficient matrices row-major.
 */
import type { DegradationOperator } from "../operators/operator.js";
import { type PartSample, partSamples } from "./sampling.js";
import { type Part, riderSize, spectralBasis, stateSize } from "./state-space.js";

/** One array for each part. */
export type OnParts = Readonly<Record<Part, Float32Array>>;

const onParts = (make: (part: Part) => Float32Array): OnParts => ({
  range: make("range"),
  null: make("null"),
});

/** f of every row, one after the other. */
function eachRow(rows: Float32Array, size: number, f: (row: Float32Array) => Float32Array): Float32Array {
  const made = Array.from({ length: rows.length / size }, (_, i) =>
    f(rows.subarray(i * size, (i + 1) * size)),
  );
  const all = new Float32Array(made.reduce((length, row) => length + row.length, 0));
  let at = 0;
  for (const row of made) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

/** left [m, n] . right [n, columns]. */
export function product(left: ArrayLike<number>, right: ArrayLike<number>, n: number): Float32Array {
  const m = left.length / n;
  const columns = right.length / n;
  const out = new Float64Array(m * columns);
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < n; k++) {
      const factor = left[i * n + k];
      for (let j = 0; j < columns; j++) out[i * columns + j] += factor * right[k * columns + j];
    }
  }
  return Float32Array.from(out);
}

function transpose(matrix: Float32Array, rows: number): Float32Array {
  const columns = matrix.length / rows;
  return matrix.map((_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)]);
}

/** Pictures -> states: left x right^T where V is square, the picture itself elsewhere. */
export function toState(operator: DegradationOperator, pictures: Float32Array): Float32Array {
  const basis = spectralBasis(operator);
  if (!basis) return pictures.slice();
  const { rows, columns } = basis;
  const right = transpose(basis.right, columns);
  return eachRow(pictures, rows * columns, (plane) =>
    product(product(basis.left, plane, rows), right, columns),
  );
}

/** States -> pictures: left^T z right, the inverse of {@link toState} because V is orthonormal. */
export function toPicture(operator: DegradationOperator, states: Float32Array): Float32Array {
  const basis = spectralBasis(operator);
  if (!basis) return states.slice();
  const { rows, columns } = basis;
  const left = transpose(basis.left, rows);
  return eachRow(states, rows * columns, (plane) =>
    product(product(left, plane, rows), basis.right, columns),
  );
}

/** P z = V V^T z of every state. */
export function project(operator: DegradationOperator, states: Float32Array): Float32Array {
  const pictures = toPicture(operator, states);
  const count = states.length / stateSize(operator);
  return toState(operator, operator.fromSpectrum(operator.toSpectrum(pictures, count), count));
}

/** u = V^T z of every state; where the range is part of a grid, on that grid and zero outside. */
export function riders(operator: DegradationOperator, states: Float32Array): Float32Array {
  const { basis } = operator;
  const kept = basis.kind === "separable" ? basis.kept : undefined;
  return eachRow(states, stateSize(operator), (state) => {
    const spectrum = operator.toSpectrum(state);
    if (!kept) return spectrum;
    const grid = new Float32Array(riderSize(operator));
    let at = 0;
    for (const [i, inRange] of kept.entries()) if (inRange === 1) grid[i] = spectrum[at++];
    return grid;
  });
}

/** N rows + P ((R - N) rows); N and R are [m, k], rows [k, 3 H W]. */
export function combine(
  operator: DegradationOperator,
  { range, null: onNull }: OnParts,
  rows: Float32Array,
): Float32Array {
  const k = rows.length / stateSize(operator);
  const difference = range.map((r, i) => r - onNull[i]);
  const inRange = project(operator, product(difference, rows, k));
  return product(onNull, rows, k).map((v, i) => v + inRange[i]);
}

/** <a_i, b_i> of every row of `size` numbers. */
export function rowDots(a: Float32Array, b: Float32Array, size: number): Float32Array {
  const dots = new Float64Array(a.length / size);
  for (let i = 0; i < a.length; i++) dots[Math.floor(i / size)] += a[i] * b[i];
  return Float32Array.from(dots);
}

/** The numbers of every row at the given positions, times their weights. */
function sampled(rows: Float32Array, size: number, { positions, weights }: PartSample): Float32Array {
  return eachRow(rows, size, (row) =>
    Float32Array.from(positions, (at, i) => (weights ? weights[i] : 1) * row[at]),
  );
}

/**
 * What is measured of a state on each part. On the range the spectral coordinates of block means and gray values, else
 * P z; on the null space z - P z. Positions are those of `sampling.ts`; without them everything is measured.
 * @param states of each part's own coefficients, [n, 3 H W]
 */
export function samples(operator: DegradationOperator, states: OnParts): OnParts {
  const at = partSamples(operator);
  const size = stateSize(operator);
  const covered = project(operator, states.null);
  const rest = states.null.map((v, i) => v - covered[i]);
  const { kind } = operator.basis;
  if (!at) return { range: project(operator, states.range), null: rest };
  const spectral = kind === "block-mean" || kind === "channel";
  const range = spectral
    ? eachRow(states.range, size, (state) => operator.toSpectrum(state))
    : project(operator, states.range);
  const rangeSize = spectral ? operator.rank : size;
  return {
    range: sampled(range, rangeSize, at.range),
    null: sampled(rest, size, at.null),
  };
}

/** The samples of coefficients . rows; coefficients [n, k], rows [k, 3 H W]. */
export function samplesOf(operator: DegradationOperator, coefficients: OnParts, rows: Float32Array): OnParts {
  const k = rows.length / stateSize(operator);
  return samples(
    operator,
    onParts((part) => product(coefficients[part], rows, k)),
  );
}

/** Sums of squares of `n` rows of samples; those that stand for more numbers are not scaled up here. */
export const squares = (sample: OnParts, n: number): OnParts =>
  onParts((part) => rowDots(sample[part], sample[part], sample[part].length / n));

/** Samples of z and of f(z) of one round. */
export interface RoundSamples {
  readonly state: OnParts;
  readonly made: OnParts;
}

/** <dz, dz> and <dz, df> of `n` rows, d being the change since the round before. */
export function secantProducts(
  now: RoundSamples,
  before: RoundSamples,
  n: number,
): { dzdz: OnParts; dzdf: OnParts } {
  const change = (of: keyof RoundSamples) =>
    onParts((part) => now[of][part].map((v, i) => v - before[of][part][i]));
  const [dz, df] = [change("state"), change("made")];
  const dots = (a: OnParts, b: OnParts) => onParts((part) => rowDots(a[part], b[part], a[part].length / n));
  return { dzdz: dots(dz, dz), dzdf: dots(dz, df) };
}

/** Sums of squares of the parts of every state, over all of its numbers. */
export function partSquares(operator: DegradationOperator, states: Float32Array): OnParts {
  const range = project(operator, states);
  const on = { range, null: states.map((v, i) => v - range[i]) };
  return onParts((part) => rowDots(on[part], on[part], stateSize(operator)));
}
