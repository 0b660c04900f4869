/** The products u = V^T x and x = V u where V^T of the lines and of the columns is a small matrix times one of narrow bands. */
import { type BandedMatrix, bandedMatrix } from "../operators/banded-matrix.js";
import { transpose } from "../operators/dense-matrix.js";
import type { LineFactors, PictureShape } from "../operators/operator.js";
import type { AttachTransform } from "./fast-transform.js";
import type { Address, RowKernels } from "./row-kernels.js";
import type { RowPlan } from "./row-memory.js";

/** Words of a matrix's table: three for each of its rows, then the taps. */
const tableWords = ({ rows }: BandedMatrix) =>
  rows.reduce((sum, { taps }) => sum + taps.length, 3 * rows.length);

/** Writes the table that `assembly/banded-lines.ts` describes. */
function writeTable({ rows }: BandedMatrix, memory: ArrayBuffer, at: Address): void {
  const table = new Uint32Array(memory, at, 3 * rows.length);
  let place = at + 12 * rows.length;
  for (const [i, { first, taps }] of rows.entries()) {
    table.set([first, taps.length, place], 3 * i);
    new Float32Array(memory, place, taps.length).set(taps);
    place += 4 * taps.length;
  }
}

/** One side of a plane: there to few coordinates and back. */
interface Side {
  readonly bands: BandedMatrix;
  readonly small: BandedMatrix;
  readonly smallBack: BandedMatrix;
  readonly bandsBack: BandedMatrix;
}

const sideOf = ({ bands, small }: LineFactors): Side => ({
  bands: bandedMatrix(bands),
  small: bandedMatrix(small),
  smallBack: bandedMatrix(transpose(small)),
  bandsBack: bandedMatrix(transpose(bands)),
});

/** Plans what memory the transform needs: [channels, height, width] numbers of a picture to [channels, rows, columns]. */
export function planBanded(
  { left, right }: { readonly left: LineFactors; readonly right: LineFactors },
  picture: PictureShape,
  plan: RowPlan,
): AttachTransform {
  const { channels, height, width } = picture;
  const [lines, columns] = [sideOf(left), sideOf(right)];
  const matrices = [lines, columns].flatMap((side) => Object.values(side) as BandedMatrix[]);
  const places = new Map(matrices.map((matrix) => [matrix, plan.words(tableWords(matrix))]));
  // The widest plane on the way: one side reduced, the other not.
  const [few, fewer] = [lines.bands.rows.length, columns.bands.rows.length];
  const widest = Math.max(few * width, fewer * few);
  const work = [plan.words(widest), plan.words(widest)];
  const [grid, plane] = [4 * lines.small.rows.length * columns.small.rows.length, 4 * height * width];
  return (memory: ArrayBuffer, run: RowKernels) => {
    for (const [matrix, at] of places) writeTable(matrix, memory, at);
    const multiply = (matrix: BandedMatrix, from: Address, width: number, to: Address) =>
      run.bandedLines(from, 4 * width, places.get(matrix) ?? 0, matrix.rows.length, to);
    const [a, b] = work;
    const rankAcross = columns.small.rows.length;
    return {
      analyse: (pictures, states, count) => {
        for (let i = 0; i < channels * count; i++) {
          multiply(lines.bands, pictures + i * plane, width, a);
          run.turnPlane(a, few, width, b);
          multiply(columns.bands, b, few, a);
          multiply(columns.small, a, few, b);
          run.turnPlane(b, rankAcross, few, a);
          multiply(lines.small, a, rankAcross, states + i * grid);
        }
      },
      synthesise: (states, pictures, count) => {
        for (let i = 0; i < channels * count; i++) {
          multiply(lines.smallBack, states + i * grid, rankAcross, a);
          run.turnPlane(a, few, rankAcross, b);
          multiply(columns.smallBack, b, few, a);
          multiply(columns.bandsBack, a, few, b);
          run.turnPlane(b, width, few, a);
          multiply(lines.bandsBack, a, width, pictures + i * plane);
        }
      },
    };
  };
}
