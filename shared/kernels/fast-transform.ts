/** The products u = V^T x and x = V u where V is square and has a fast transform. */
import type { FastBasis, PictureShape } from "../operators/operator.js";
import { cosineTableWords, writeCosineTable } from "./cosine-table.js";
import type { Address, RowKernels } from "./row-kernels.js";
import type { RowPlan } from "./row-memory.js";

/** Transforms rows of [channels, height, width] numbers, plane by plane. */
export interface FastTransform {
  /** Coordinates of the pictures in `count` rows that follow each other; both addresses may be the same. */
  analyse(pictures: Address, states: Address, count: number): void;
  /** Pictures of the coordinates in `count` rows; both addresses may be the same. */
  synthesise(states: Address, pictures: Address, count: number): void;
}

/** Makes the transform when the memory that was planned is there. */
export type AttachTransform = (memory: ArrayBuffer, run: RowKernels) => FastTransform;

/** Plans what memory a transform needs. */
export function planFastTransform(basis: FastBasis, picture: PictureShape, plan: RowPlan): AttachTransform {
  return basis === "cosine" ? planCosines(picture, plan) : (_, run) => walshHadamard(picture, run);
}

/** Calls `transform` for every plane of `count` rows. */
function eachPlane(
  { channels, height, width }: PictureShape,
  [from, to]: readonly [Address, Address],
  count: number,
  transform: (from: Address, to: Address) => void,
): void {
  const bytes = 4 * height * width;
  for (let at = 0; at < channels * count * bytes; at += bytes) transform(from + at, to + at);
}

/** The transform of the flattened plane is that of its lines and columns, and its own inverse. */
function walshHadamard(picture: PictureShape, run: RowKernels): FastTransform {
  const area = picture.height * picture.width;
  const both = (from: Address, to: Address, count: number) =>
    eachPlane(picture, [from, to], count, (x, u) => run.walshHadamard(u, area, 1 / Math.sqrt(area), x));
  return { analyse: both, synthesise: both };
}

/** Words per number of a line of the two strips, sixteen lines wide, that the cosine transform works in. */
const stripWords = 32;

/** The cosine transform of lines and columns. */
function planCosines(picture: PictureShape, plan: RowPlan): AttachTransform {
  const { height, width } = picture;
  const tables = [height, width].map((n) => ({ n, words: cosineTableWords(n) }));
  const places = tables.map(({ words }) => plan.words(words));
  const work = plan.words(stripWords * Math.max(height, width));
  return (memory, run) => {
    for (const [i, { n, words }] of tables.entries()) {
      writeCosineTable(n, new Float32Array(memory, places[i], words));
    }
    const [heightTable, widthTable] = places;
    const through =
      (transform: RowKernels["cosinesOfPlane"]) => (from: Address, to: Address, count: number) =>
        eachPlane(picture, [from, to], count, (a, b) =>
          transform(a, b, height, heightTable, width, widthTable, work),
        );
    return { analyse: through(run.cosinesOfPlane), synthesise: through(run.planeOfCosines) };
  };
}
