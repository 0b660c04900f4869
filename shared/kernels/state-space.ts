/**
 * The space the states of a chain live in.
 *
 * M and J of the solver are one scalar on the range of A and one on its null space: a combination of states is
 *
 *     N rows + P ((R - N) rows),        P = V V^T,
 *
 * with small coefficient matrices N (null space) and R (range). Where the range is few numbers (super-resolution: block
 * means or lines), states are pictures, and their range coordinates u = V^T z, the riders, ride along, so that P
 * costs one synthesis of few numbers. For colorization, with one gray value a pixel, P needs the pixel alone. Where V is square (blur, Walsh-Hadamard) states are its coordinates and P is a mask; for inpainting V is trivial
 * and states are pictures. No basis of the null space is ever needed, and a state is as many numbers as a picture:
 * 3 H W. All forms keep norms and inner products.
 */
import type { PictureShape, RangeBasis } from "../operators/operator.js";

/** The two parts of a state. */
export const parts = ["range", "null"] as const;
export type Part = (typeof parts)[number];

/** One number for each part. */
export type OnEachPart = Readonly<Record<Part, number>>;

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

/** The basis, if its coordinates are few numbers made by two matrices, which ride along. */
export function riderBasis(space: StateSpace): Separable | undefined {
  return space.basis.kind === "separable" && !spectralBasis(space) ? space.basis : undefined;
}

/** Numbers of a state: 3 H W. */
export const stateSize = ({ picture }: StateSpace): number => 3 * picture.height * picture.width;

/** Numbers of a state that the range of gray values has: one a pixel; 0 for other spaces. */
export const graySize = ({ basis, picture }: StateSpace): number =>
  basis.kind === "channel" ? picture.height * picture.width : 0;

/** Range coordinates that ride along with a state; 0 where P needs none. */
export function riderSize(space: StateSpace): number {
  const { basis, picture } = space;
  if (basis.kind === "block-mean") return (3 * picture.height * picture.width) / basis.scale ** 2;
  const separable = riderBasis(space);
  return separable ? 3 * separable.rows * separable.columns : 0;
}

/**
 * 1 where a number belongs to the range, for spaces in which P is a mask; undefined for the others. As long as the period
 * with which it repeats over a state: H W or 3 H W.
 */
export function rangeMask(space: StateSpace): Uint8Array | undefined {
  const { basis, picture } = space;
  if (basis.kind === "pixel-mask") return basis.kept;
  if (!spectralBasis(space) || basis.kind !== "separable") return undefined;
  return basis.kept ?? new Uint8Array(picture.height * picture.width).fill(1);
}
