/**
 * The split of a picture into its range part (spectral coordinates u = V^T x, where the measurement speaks) and its
 * null part (what the measurement cannot see), as ONNX subgraphs.
 *
 * M and J of the solver are scalars on each of the two parts, so no complete basis of the null space is needed: where
 * the range is small (super-resolution, colorization) the null part is kept as the picture x - V V^T x, which costs a
 * few per cent more numbers than a complete basis and no transform. Where V is square (blur, Walsh-Hadamard) or trivial
 * (inpainting), both parts live on the same grid with disjoint supports. Both ways ||x||^2 = ||range||^2 + ||null||^2,
 * and inner products of differences are those of the spectral basis.
 */
import type { GraphBuilder, Value } from "../onnx/graph-builder.js";
import type { PictureShape, RangeBasis } from "../operators/operator.js";

/** The two parts of a state, in the order in which they are stored and sent. */
export const parts = ["range", "null"] as const;
export type Part = (typeof parts)[number];

/** Numbers stored for each part of one state, and how they are sent. */
export interface SplitLayout {
  readonly range: number;
  readonly null: number;
  /** Both parts lie on one grid with disjoint supports: their sum is sent. Otherwise one after the other. */
  readonly disjoint: boolean;
  /** Numbers sent for one state. */
  readonly packed: number;
}

const isSquare = (basis: RangeBasis, { height, width }: PictureShape): boolean =>
  basis.kind === "separable" && basis.rows === height && basis.columns === width;

function rangeSize(basis: RangeBasis, { height, width }: PictureShape): number {
  switch (basis.kind) {
    case "block-mean":
      return (3 * height * width) / basis.scale ** 2;
    case "channel":
      return height * width;
    case "pixel-mask":
      return 3 * height * width;
    case "separable":
      return 3 * basis.rows * basis.columns;
  }
}

/** The layout of states of a picture under an operator's range basis. */
export function splitLayout(basis: RangeBasis, picture: PictureShape): SplitLayout {
  const size = 3 * picture.height * picture.width;
  const range = rangeSize(basis, picture);
  const disjoint = basis.kind === "pixel-mask" || isSquare(basis, picture);
  return { range, null: size, disjoint, packed: disjoint ? size : range + size };
}

/** Numbers that lie side by side in a line of a part, as it is stored. */
export function lineWidth(basis: RangeBasis, { width }: PictureShape, part: Part): number {
  if (part === "null") return width;
  if (basis.kind === "block-mean") return width / basis.scale;
  return basis.kind === "separable" ? basis.columns : width;
}

/** 1 where a number of the packed form belongs to the range part, else 0. [packed] */
export function rangeIndicator(basis: RangeBasis, picture: PictureShape): Float32Array {
  const layout = splitLayout(basis, picture);
  const indicator = new Float32Array(layout.packed);
  if (!layout.disjoint) return indicator.fill(1, 0, layout.range);
  const kept = basis.kind === "pixel-mask" || basis.kind === "separable" ? basis.kept : undefined;
  for (let i = 0; i < layout.packed; i++) indicator[i] = kept ? kept[i % kept.length] : 1;
  return indicator;
}

const transpose = (matrix: Float32Array, rows: number, columns: number): Float32Array =>
  Float32Array.from(
    { length: rows * columns },
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)],
  );

/** Subgraphs of the split for one operator and picture size. Pictures are [n, 3, H, W], parts [n, size]. */
export class SplitGraph {
  readonly #g: GraphBuilder;
  readonly #basis: RangeBasis;
  readonly #picture: PictureShape;

  constructor(g: GraphBuilder, basis: RangeBasis, picture: PictureShape) {
    this.#g = g;
    this.#basis = basis;
    this.#picture = picture;
  }

  /** x -> (range, null). */
  analyze(x: Value): Record<Part, Value> {
    const g = this.#g;
    if (splitLayout(this.#basis, this.#picture).disjoint) {
      const grid = this.#toGrid(x);
      const [inside, outside] = this.#indicators();
      return {
        range: this.#flat(g.node("Mul", [grid, inside])),
        null: this.#flat(g.node("Mul", [grid, outside])),
      };
    }
    const range = this.#rangeOf(x);
    return { range: this.#flat(range), null: this.#flat(this.#withRange("Sub", x, range)) };
  }

  /** The two parts of a packed state of a disjoint layout, [n, size]. */
  separate(packed: Value): Record<Part, Value> {
    const inside = rangeIndicator(this.#basis, this.#picture);
    const dims = [1, inside.length];
    const outside = inside.map((v) => 1 - v);
    return {
      range: this.#g.node("Mul", [packed, this.#g.constant(inside, dims)]),
      null: this.#g.node("Mul", [packed, this.#g.constant(outside, dims)]),
    };
  }

  /** (range, null) -> x. */
  synthesize(split: Record<Part, Value>): Value {
    const g = this.#g;
    const { height, width } = this.#picture;
    const dims = [-1, 3, height, width];
    if (splitLayout(this.#basis, this.#picture).disjoint) {
      return this.#fromGrid(g.reshape(g.node("Add", [split.range, split.null]), dims));
    }
    const range = g.reshape(split.range, this.#rangeDims());
    return this.#withRange("Add", g.reshape(split.null, dims), range);
  }

  /** x + V u or x - V u where the range is smaller than the picture. */
  #withRange(operation: "Add" | "Sub", x: Value, range: Value): Value {
    const g = this.#g;
    if (this.#basis.kind !== "block-mean") return g.node(operation, [x, this.#pictureOf(range)]);
    // Columns are repeated by a small product, rows by broadcasting: Resize takes three times as long.
    const { scale } = this.#basis;
    const { height, width } = this.#picture;
    const repeat = Float32Array.from({ length: (width / scale) * width }, (_, i) =>
      Math.floor(i / width) === Math.floor((i % width) / scale) ? 1 / scale : 0,
    );
    const lines = g.node("MatMul", [
      g.reshape(range, [-1, width / scale]),
      g.constant(repeat, [width / scale, width]),
    ]);
    const blocks = g.reshape(x, [-1, scale, width]);
    const sum = g.node(operation, [blocks, g.reshape(lines, [-1, 1, width])]);
    return g.reshape(sum, [-1, 3, height, width]);
  }

  #flat(value: Value): Value {
    return this.#g.node("Flatten", [value], { axis: 1 });
  }

  #indicators(): [Value, Value] {
    const { height, width } = this.#picture;
    const inside = rangeIndicator(this.#basis, this.#picture);
    const dims = [1, 3, height, width];
    return [
      this.#g.constant(inside, dims),
      this.#g.constant(
        inside.map((v) => 1 - v),
        dims,
      ),
    ];
  }

  #rangeDims(): number[] {
    const { height, width } = this.#picture;
    const basis = this.#basis;
    if (basis.kind === "block-mean") return [-1, 3, height / basis.scale, width / basis.scale];
    if (basis.kind === "separable") return [-1, 3, basis.rows, basis.columns];
    return [-1, 1, height, width];
  }

  /** V^T of a disjoint basis: the picture on the grid on which both parts live. */
  #toGrid(x: Value): Value {
    return this.#basis.kind === "separable" ? this.#leftRight(x, this.#basis, false) : x;
  }

  #fromGrid(grid: Value): Value {
    return this.#basis.kind === "separable" ? this.#leftRight(grid, this.#basis, true) : grid;
  }

  /** left x right^T, or its adjoint left^T v right. */
  #leftRight(value: Value, basis: Extract<RangeBasis, { kind: "separable" }>, adjoint: boolean): Value {
    const g = this.#g;
    const { height, width } = this.#picture;
    const { rows, columns } = basis;
    const left = adjoint
      ? g.constant(transpose(basis.left, rows, height), [height, rows])
      : g.constant(basis.left, [rows, height]);
    const right = adjoint
      ? g.constant(basis.right, [columns, width])
      : g.constant(transpose(basis.right, columns, width), [width, columns]);
    return g.node("MatMul", [g.node("MatMul", [left, value]), right]);
  }

  /** V^T x where the range is smaller than the picture. */
  #rangeOf(x: Value): Value {
    const g = this.#g;
    const basis = this.#basis;
    if (basis.kind === "block-mean") {
      const { scale } = basis;
      const mean = g.node("AveragePool", [x], { kernel_shape: [scale, scale], strides: [scale, scale] });
      return g.node("Mul", [mean, g.constant(Float32Array.of(scale), [1])]);
    }
    if (basis.kind === "channel") return g.node("Conv", [x, g.constant(basis.weights, [1, 3, 1, 1])]);
    if (basis.kind !== "separable") return x;
    const range = this.#leftRight(x, basis, false);
    if (!basis.kept) return range;
    return g.node("Mul", [
      range,
      g.constant(Float32Array.from(basis.kept), [1, 3, basis.rows, basis.columns]),
    ]);
  }

  /** V u of a channel or a separable basis. */
  #pictureOf(range: Value): Value {
    const g = this.#g;
    const basis = this.#basis;
    if (basis.kind === "channel") return g.node("Mul", [range, g.constant(basis.weights, [1, 3, 1, 1])]);
    return basis.kind === "separable" ? this.#leftRight(range, basis, true) : range;
  }
}
