/** The products u = V^T x and x = V u where V^T of the lines and of the columns is a small matrix times one of narrow bands. */
import { type BandedMatrix, bandedMatrix } from "../operators/banded-matrix.js";
import { hasFastCosines } from "../operators/cosine-vectors.js";
import { type DenseMatrix, transpose } from "../operators/dense-matrix.js";
import type { LineFactors, PictureShape } from "../operators/operator.js";
import { type FastTransform, planFastTransform } from "./fast-transform.js";
import type { Address, RowKernels } from "./row-kernels.js";
import type { RowPlan } from "./row-memory.js";

/** The factors of both sides of a picture. */
export interface PictureFactors {
  readonly left: LineFactors;
  readonly right: LineFactors;
}

/** The transform, and the last of the products that make up its way back, apart. */
export interface BandedTransform extends FastTransform {
  /** All but the last product of {@link synthesise}, along the columns of a plane. */
  spread(states: Address, to: Address, count: number): void;
  /** The scan (`StateRows.scan`) with what is left to do for the rows in `spread` added to the states. */
  scan(spread: Address): void;
}

/** What a transform needs in memory is planned. */
interface PlannedBands {
  /** Numbers of what {@link BandedTransform.spread} makes of one row of coordinates. */
  readonly spreadNumbers: number;
  attach(memory: ArrayBuffer, run: RowKernels): BandedTransform;
}

/** A grid of what the bands leave of a plane, to coordinates and back. */
interface GridTransform {
  /** @param turned the grid with lines and columns exchanged, which is overwritten */
  analyse(turned: Address, to: Address): void;
  /** @param turned receives the grid with lines and columns exchanged */
  synthesise(from: Address, turned: Address): void;
}

type AttachGrid = (memory: ArrayBuffer, run: RowKernels) => GridTransform;

/** Words of a matrix's table: three for each of its rows, then the taps. */
const tableWords = ({ rows }: BandedMatrix) =>
  rows.reduce((sum, { taps }) => sum + taps.length, 3 * rows.length);

/** Plans the table that `assembly/banded-lines.ts` describes. @returns multiplies lines of `width` numbers */
function planProduct(matrix: BandedMatrix, plan: RowPlan) {
  const { rows } = matrix;
  const table = plan.words(tableWords(matrix));
  return {
    table,
    attach: (memory: ArrayBuffer, run: RowKernels) => {
      const entries = new Uint32Array(memory, table, 3 * rows.length);
      let place = table + 12 * rows.length;
      for (const [i, { first, taps }] of rows.entries()) {
        entries.set([first, taps.length, place], 3 * i);
        new Float32Array(memory, place, taps.length).set(taps);
        place += 4 * taps.length;
      }
      return (from: Address, width: number, to: Address) =>
        run.bandedLines(from, 4 * width, table, rows.length, to);
    },
  };
}

/** Products with two matrices and with their transposes. */
const planBothWays = (left: DenseMatrix, right: DenseMatrix, plan: RowPlan) =>
  [left, right, transpose(left), transpose(right)].map((matrix) => planProduct(bandedMatrix(matrix), plan));

/** The small matrices are cosine transforms, but for the singular values. */
function planCosineGrid(left: Float64Array, right: Float64Array, plan: RowPlan): AttachGrid {
  const [height, width] = [left.length, right.length];
  const cosines = planFastTransform("cosine", { channels: 1, height, width }, plan);
  const shares = plan.words(height * width);
  const work = plan.words(height * width);
  return (memory, run) => {
    const { analyse, synthesise } = cosines(memory, run);
    const values = new Float32Array(memory, shares, height * width);
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) values[i * width + j] = left[i] * right[j];
    }
    const bytes = 4 * height * width;
    return {
      analyse: (turned, to) => {
        run.turnPlane(turned, width, height, to);
        analyse(to, to, 1);
        run.weighNumbers(to, shares, to, bytes);
      },
      synthesise: (from, turned) => {
        run.weighNumbers(from, shares, work, bytes);
        synthesise(work, work, 1);
        run.turnPlane(work, height, width, turned);
      },
    };
  };
}

/** The small matrices as they are. */
function planMatrixGrid(left: DenseMatrix, right: DenseMatrix, plan: RowPlan): AttachGrid {
  const [there, across, back, acrossBack] = planBothWays(left, right, plan);
  const work = plan.words(left.columns * right.columns);
  return (memory, run) => {
    const [lines, columns] = [there.attach(memory, run), across.attach(memory, run)];
    const [linesBack, columnsBack] = [back.attach(memory, run), acrossBack.attach(memory, run)];
    return {
      analyse: (turned, to) => {
        columns(turned, left.columns, work);
        run.turnPlane(work, right.rows, left.columns, turned);
        lines(turned, right.rows, to);
      },
      synthesise: (from, turned) => {
        linesBack(from, right.rows, turned);
        run.turnPlane(turned, left.columns, right.rows, work);
        columnsBack(work, left.columns, turned);
      },
    };
  };
}

/** Plans what memory the transform needs: [channels, height, width] numbers of a picture to [channels, rows, columns]. */
export function planBanded(
  { left, right }: PictureFactors,
  picture: PictureShape,
  plan: RowPlan,
): PlannedBands {
  const { channels, height, width } = picture;
  const [lines, columns, linesBack, columnsBack] = planBothWays(left.bands, right.bands, plan);
  const few = left.bands.rows;
  const fast = hasFastCosines(few) && hasFastCosines(right.bands.rows);
  const grid =
    fast && left.ofCosines && right.ofCosines
      ? planCosineGrid(left.ofCosines, right.ofCosines, plan)
      : planMatrixGrid(left.small, right.small, plan);
  // The widest plane on the way: one side reduced, the other not.
  const [a, b] = [plan.words(few * width), plan.words(few * width)];
  const coordinates = 4 * left.small.rows * right.small.rows;
  const plane = 4 * height * width;
  const attach = (memory: ArrayBuffer, run: RowKernels): BandedTransform => {
    const onGrid = grid(memory, run);
    const [shrink, shrinkAcross] = [lines.attach(memory, run), columns.attach(memory, run)];
    const [widen, widenAcross] = [linesBack.attach(memory, run), columnsBack.attach(memory, run)];
    const spreadPlane = (state: Address, to: Address) => {
      onGrid.synthesise(state, a);
      widenAcross(a, few, b);
      run.turnPlane(b, width, few, to);
    };
    return {
      analyse: (pictures, states, count) => {
        for (let i = 0; i < channels * count; i++) {
          shrink(pictures + i * plane, width, a);
          run.turnPlane(a, few, width, b);
          shrinkAcross(b, few, a);
          onGrid.analyse(a, states + i * coordinates);
        }
      },
      synthesise: (states, pictures, count) => {
        for (let i = 0; i < channels * count; i++) {
          spreadPlane(states + i * coordinates, a);
          widen(a, width, pictures + i * plane);
        }
      },
      spread: (states, to, count) => {
        for (let i = 0; i < channels * count; i++)
          spreadPlane(states + i * coordinates, to + 4 * i * few * width);
      },
      scan: (spread) => run.scanBands(spread, 4 * few * width, linesBack.table, height, width),
    };
  };
  return { spreadNumbers: channels * few * width, attach };
}
