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
    return basis ? this.#adjoint(grid, basis) : grid;
  }

  /** u = V^T z, for spaces with riders. */
  riders(state: Value): Value {
    const g = this.#g;
    const { basis, picture } = this.#space;
    const { height, width } = picture;
    if (basis.kind === "block-mean") {
      // Sum / scale of every block: lines are summed first, which is faster than pooling both ways at once.
      const { scale } = basis;
      const lines = g.reshape(state, [-1, scale, width]);
      const sums = g.node("ReduceSum", [lines, g.integers([1])], { keepdims: 0 });
      const strips = g.reshape(sums, [-1, 3, height / scale, width]);
      return this.#flat(g.node("AveragePool", [strips], { kernel_shape: [1, scale], strides: [1, scale] }));
    }
    const planes = this.#planes(state);
    if (basis.kind === "channel")
      return this.#flat(g.node("Conv", [planes, g.constant(basis.weights, [1, 3, 1, 1])]));
    return this.#flat(this.#leftRight(planes, this.#riderBasis()));
  }

  /** z + V u, for spaces with riders. */
  addRange(state: Value, riders: Value): Value {
    const g = this.#g;
    const { basis, picture } = this.#space;
    const { height, width } = picture;
    if (basis.kind === "block-mean") {
      // Columns are repeated by a small product, rows by broadcasting; Resize takes three times as long.
      const lines = g.reshape(this.#repeatColumns(riders, basis.scale), [-1, 1, width]);
      const sum = g.node("Add", [g.reshape(state, [-1, basis.scale, width]), lines]);
      return g.reshape(sum, [-1, stateSize(this.#space)]);
    }
    if (basis.kind === "channel") {
      const gray = g.reshape(riders, [-1, 1, height, width]);
      const colours = g.node("Mul", [gray, g.constant(basis.weights, [1, 3, 1, 1])]);
      return this.#flat(g.node("Add", [this.#planes(state), colours]));
    }
    const separable = this.#riderBasis();
    const grid = g.reshape(riders, [-1, 3, separable.rows, separable.columns]);
    return this.#flat(g.node("Add", [this.#planes(state), this.#adjoint(grid, separable)]));
  }

  /** (V u) at the given positions of a state, [n, positions], for picture spaces whose V is sparse. */
  rangeAt(riders: Value, positions: readonly number[]): Value {
    const g = this.#g;
    const { basis, picture } = this.#space;
    const { height, width } = picture;
    const area = height * width;
    const gather = (indices: readonly number[], weights: readonly number[]) =>
      g.node("Mul", [
        g.node("Gather", [riders, g.integers(indices)], { axis: 1 }),
        g.constant(Float32Array.from(weights), [1, weights.length]),
      ]);
    if (basis.kind === "block-mean") {
      const { scale } = basis;
      const blockOf = (at: number) => {
        const [line, column] = [Math.floor((at % area) / width), at % width];
        const lines = Math.floor(at / area) * (height / scale) + Math.floor(line / scale);
        return lines * (width / scale) + Math.floor(column / scale);
      };
      return gather(
        positions.map(blockOf),
        positions.map(() => 1 / scale),
      );
    }
    if (basis.kind !== "channel") throw new Error(`states of a ${basis.kind} basis are not sampled`);
    return gather(
      positions.map((at) => at % area),
      positions.map((at) => basis.weights[Math.floor(at / area)]),
    );
  }

  /** [n, 3 H W] -> [n, 3, H, W]. */
  #planes(state: Value): Value {
    const { height, width } = this.#space.picture;
    return this.#g.reshape(state, [-1, 3, height, width]);
  }

  #flat(value: Value): Value {
    return this.#g.node("Flatten", [value], { axis: 1 });
  }

  #riderBasis(): Separable {
    const { basis } = this.#space;
    if (basis.kind === "separable" && !basis.kept) return basis;
    throw new Error(`states of this ${basis.kind} basis have no riders`);
  }

  /** Lines of u / scale with every column repeated, [.., W]. */
  #repeatColumns(riders: Value, scale: number): Value {
    const { width } = this.#space.picture;
    const few = width / scale;
    const repeat = Float32Array.from({ length: few * width }, (_, i) =>
      Math.floor(i / width) === Math.floor((i % width) / scale) ? 1 / scale : 0,
    );
    const lines = this.#g.reshape(riders, [-1, few]);
    return this.#g.node("MatMul", [lines, this.#g.constant(repeat, [few, width])]);
  }

  /** left x right^T. */
  #leftRight(planes: Value, { left, right, rows, columns }: Separable): Value {
    const g = this.#g;
    const { height, width } = this.#space.picture;
    const product = g.node("MatMul", [g.constant(left, [rows, height]), planes]);
    return g.node("MatMul", [product, g.constant(transpose(right, columns, width), [width, columns])]);
  }

  /** left^T v right. */
  #adjoint(planes: Value, { left, right, rows, columns }: Separable): Value {
    const g = this.#g;
    const { height, width } = this.#space.picture;
    const product = g.node("MatMul", [g.constant(transpose(left, rows, height), [height, rows]), planes]);
    return g.node("MatMul", [product, g.constant(right, [columns, width])]);
  }
}
