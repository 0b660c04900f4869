/**
 * The space the states of a chain live in, as ONNX subgraphs.
 *
 * M and J of the solver are one scalar on the range of A and one on its null space: a combination of states is
 *
 *     N rows + P ((R - N) rows),        P = V V^T,
 *
 * with small coefficient matrices N (null space) and R (range). Where the range is small (super-resolution,
 * colorization) or V a long product, states are pictures, and their range coordinates u = V^T z ride along, so that P
 * costs one synthesis of few numbers. Where V is square (blur, Walsh-Hadamard) states are its coordinates and P is a
 * mask; for inpainting V is trivial and states are pictures. No basis of the null space is ever needed, and a state is
 * as many numbers as a picture: 3 H W. Both forms keep norms and inner products.
 */
import type { GraphBuilder, Value } from "../onnx/graph-builder.js";
import type { PictureShape, RangeBasis } from "../operators/operator.js";

/** The two parts of a state. */
export const parts = ["range", "null"] as const;
export type Part = (typeof parts)[number];

/** What the solver has to know of an operator: a DegradationOperator will do. */
export interface StateSpace {
  readonly basis: RangeBasis;
  readonly picture: PictureShape;
}

type Separable = Extract<RangeBasis, { kind: "separable" }>;

/** The basis, if V is square: states are spectral coordinates. */
export function spectralBasis({ basis, picture }: StateSpace): Separable | undefined {
  if (basis.kind !== "separable") return undefined;
  return basis.rows === picture.height && basis.columns === picture.width ? basis : undefined;
}

/** Numbers of a state: 3 H W. */
export const stateSize = ({ picture }: StateSpace): number => 3 * picture.height * picture.width;

/** Range coordinates that ride along with a state; 0 where P is a mask. */
export function riderSize(space: StateSpace): number {
  const { basis, picture } = space;
  const area = picture.height * picture.width;
  if (basis.kind === "block-mean") return (3 * area) / basis.scale ** 2;
  if (basis.kind === "channel") return area;
  return basis.kind === "separable" && !spectralBasis(space) ? 3 * basis.rows * basis.columns : 0;
}

/** 1 where a number of a state belongs to the range, for spaces in which P is a mask. [3 H W] */
export function rangeMask({ basis, picture }: StateSpace): Float32Array {
  const kept = basis.kind === "pixel-mask" || basis.kind === "separable" ? basis.kept : undefined;
  const size = 3 * picture.height * picture.width;
  return Float32Array.from({ length: size }, (_, i) => (kept ? kept[i % kept.length] : 1));
}

const transpose = (matrix: Float32Array, rows: number, columns: number): Float32Array =>
  Float32Array.from(
    { length: rows * columns },
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)],
  );

/** Rows 0, k, 2k, .. of a matrix. */
const everyKthRow = (matrix: Float32Array, columns: number, k: number): Float32Array =>
  matrix.filter((_, i) => Math.floor(i / columns) % k === 0);

/** Subgraphs of one space. States are [n, 3 H W], pictures [n, 3, H, W], riders [n, riderSize]. */
export class StateGraph {
  readonly #g: GraphBuilder;
  readonly #space: StateSpace;

  constructor(g: GraphBuilder, space: StateSpace) {
    this.#g = g;
    this.#space = space;
  }

  /** Picture -> state, where they differ. */
  toState(picture: Value): Value {
    const basis = spectralBasis(this.#space);
    return this.#flat(basis ? this.#leftRight(picture, basis) : picture);
  }

  /** State -> picture, where they differ. */
  toPicture(state: Value): Value {
    const basis = spectralBasis(this.#space);
    const grid = this.#planes(state);
    return basis ? this.#adjoint(grid, basis, 1) : grid;
  }

  /** u = V^T z, for spaces with riders. */
  riders(state: Value): Value {
    const g = this.#g;
    const { basis } = this.#space;
    const planes = this.#planes(state);
    if (basis.kind === "block-mean") {
      const { scale } = basis;
      const mean = g.node("AveragePool", [planes], { kernel_shape: [scale, scale], strides: [scale, scale] });
      return this.#flat(g.node("Mul", [mean, g.constant(Float32Array.of(scale), [1])]));
    }
    if (basis.kind === "channel")
      return this.#flat(g.node("Conv", [planes, g.constant(basis.weights, [1, 3, 1, 1])]));
    if (basis.kind !== "separable") throw new Error(`states of a ${basis.kind} basis have no riders`);
    const range = this.#leftRight(planes, basis);
    if (!basis.kept) return this.#flat(range);
    const kept = g.constant(Float32Array.from(basis.kept), [1, 3, basis.rows, basis.columns]);
    return this.#flat(g.node("Mul", [range, kept]));
  }

  /** z + V u, for spaces with riders. */
  addRange(state: Value, riders: Value): Value {
    const g = this.#g;
    const { basis, picture } = this.#space;
    const { width } = picture;
    if (basis.kind !== "block-mean") {
      return this.#flat(g.node("Add", [this.#planes(state), this.spread(riders, 1)]));
    }
    // Columns are repeated by a small product, rows by broadcasting; Resize takes three times as long.
    const lines = g.reshape(this.#repeatColumns(riders), [-1, 1, width]);
    const sum = g.node("Add", [g.reshape(state, [-1, basis.scale, width]), lines]);
    return g.reshape(sum, [-1, stateSize(this.#space)]);
  }

  /** V u at every k-th pixel of every k-th line, [n, 3, lines, columns], for spaces with riders. */
  spread(riders: Value, k: number): Value {
    const g = this.#g;
    const { basis, picture } = this.#space;
    const { height, width } = picture;
    if (basis.kind === "block-mean") {
      const { scale } = basis;
      const blockOf = (count: number) =>
        Array.from({ length: Math.ceil(count / k) }, (_, j) => Math.floor((j * k) / scale));
      const means = g.node("Mul", [riders, g.constant(Float32Array.of(1 / scale), [1])]);
      const grid = g.reshape(means, [-1, 3, height / scale, width / scale]);
      const lines = g.node("Gather", [grid, g.integers(blockOf(height))], { axis: 2 });
      return g.node("Gather", [lines, g.integers(blockOf(width))], { axis: 3 });
    }
    if (basis.kind === "channel") {
      const pixels = this.sample(g.reshape(riders, [-1, 1, height, width]), k);
      return g.node("Mul", [pixels, g.constant(basis.weights, [1, 3, 1, 1])]);
    }
    if (basis.kind !== "separable") throw new Error(`states of a ${basis.kind} basis have no riders`);
    return this.#adjoint(g.reshape(riders, [-1, 3, basis.rows, basis.columns]), basis, k);
  }

  /** Every k-th pixel of every k-th line, [n, c, H, W] -> [n, c, lines, columns]. */
  sample(planes: Value, k: number): Value {
    if (k === 1) return planes;
    const g = this.#g;
    const { height, width } = this.#space.picture;
    const [from, to, axes, steps] = [
      [0, 0],
      [height, width],
      [2, 3],
      [k, k],
    ].map((values) => g.integers(values));
    return g.node("Slice", [planes, from, to, axes, steps]);
  }

  /** [n, 3 H W] -> [n, 3, H, W]. */
  #planes(state: Value): Value {
    const { height, width } = this.#space.picture;
    return this.#g.reshape(state, [-1, 3, height, width]);
  }

  #flat(value: Value): Value {
    return this.#g.node("Flatten", [value], { axis: 1 });
  }

  /** Lines of u / scale with every column repeated, [.., W]. */
  #repeatColumns(riders: Value): Value {
    const { basis, picture } = this.#space;
    const scale = basis.kind === "block-mean" ? basis.scale : 1;
    const { width } = picture;
    const few = width / scale;
    const repeat = Float32Array.from({ length: few * width }, (_, i) =>
      Math.floor(i / width) === Math.floor((i % width) / scale) ? 1 / scale : 0,
    );
    return this.#g.node("MatMul", [
      this.#g.reshape(riders, [-1, few]),
      this.#g.constant(repeat, [few, width]),
    ]);
  }

  /** left x right^T. */
  #leftRight(planes: Value, { left, right, rows, columns }: Separable): Value {
    const g = this.#g;
    const { height, width } = this.#space.picture;
    const product = g.node("MatMul", [g.constant(left, [rows, height]), planes]);
    return g.node("MatMul", [product, g.constant(transpose(right, columns, width), [width, columns])]);
  }

  /** Every k-th pixel of every k-th line of left^T v right. */
  #adjoint(planes: Value, { left, right, rows, columns }: Separable, k: number): Value {
    const g = this.#g;
    const { height, width } = this.#space.picture;
    const lines = everyKthRow(transpose(left, rows, height), rows, k);
    const product = g.node("MatMul", [g.constant(lines, [lines.length / rows, rows]), planes]);
    const samples = Math.ceil(width / k);
    const pixels = right.filter((_, i) => (i % width) % k === 0);
    return g.node("MatMul", [product, g.constant(pixels, [columns, samples])]);
  }
}
