/**
 * Finds the order in which a recorded run of DeqIR's blur had sorted equal singular values. `torch.sort` leaves that
 * order open and DeqIR's operator depends on it (see shared/operators/deqir-blur.ts), so a recorded (x, y = A x,
 * A^+ y) can be matched only with the order that it had. It can be read off the record: a coordinate's singular values
 * in the three channels, (U^T y) / (V^T x), name its sorted position.
 */
import { type DenseMatrix, multiply, transpose } from "../shared/operators/dense-matrix.js";
import { type DeqirBlurParts, stableOrder } from "../shared/operators/deqir-blur.js";

/** A recorded application of the operator; all [3, H, W]. */
export interface RecordedBlur {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly pinvY: Float32Array;
}

const energy = (values: Float32Array) => values.reduce((sum, v) => sum + v * v, 0);

/**
 * The sort order of the record: only coordinates with exactly equal products change places with respect to
 * {@link stableOrder}, each to the position of its tie at which y and A^+ y are explained best.
 */
export function recoverSortOrder(parts: DeqirBlurParts, record: RecordedBlur): Uint32Array {
  const { rows, columns, products } = parts;
  const area = products.length;
  const order = stableOrder(products);
  const sorted = Float32Array.from(order, (k) => products[k]!);

  const spectrum = (left: DenseMatrix, planes: Float32Array, right: DenseMatrix) =>
    [0, 1, 2].map((c) => {
      const values = Float64Array.from(planes.subarray(c * area, (c + 1) * area));
      return multiply(multiply(transpose(left), { rows: left.rows, columns: right.rows, values }), right)
        .values;
    });
  const ofX = spectrum(rows.V, record.x, columns.V);
  const ofY = spectrum(rows.U, record.y, columns.U);
  const ofPinv = spectrum(rows.V, record.pinvY, columns.V);
  const energyY = energy(record.y);
  const energyPinv = energy(record.pinvY);

  /** Squared relative error of y and A^+ y if coordinate k stood at sorted position p. */
  const misfit = (k: number, p: number) => {
    let sum = 0;
    for (let c = 0; c < 3; c++) {
      const s = sorted[(3 * p + c) % area]!;
      sum += (ofX[c]![k]! * s - ofY[c]![k]!) ** 2 / energyY;
      sum += ((s > 0 ? ofY[c]![k]! / s : 0) - ofPinv[c]![k]!) ** 2 / energyPinv;
    }
    return sum;
  };
  const weight = (k: number) =>
    [0, 1, 2].reduce((w, c) => w + ofX[c]![k]! ** 2 / energyY + ofPinv[c]![k]! ** 2 / energyPinv, 0);

  for (let begin = 0, end = 0; begin < area; begin = end) {
    while (end < area && sorted[end] === sorted[begin]) end++;
    assignTie(order, begin, end, misfit, weight);
  }
  return order;
}

/** Rearranges order[begin .. end) for a small total misfit: strong coordinates choose first, then pairs trade places. */
function assignTie(
  order: Uint32Array,
  begin: number,
  end: number,
  misfit: (k: number, p: number) => number,
  weight: (k: number) => number,
): void {
  const free = new Set(Array.from({ length: end - begin }, (_, i) => begin + i));
  const strongestFirst = [...order.slice(begin, end)].sort((a, b) => weight(b) - weight(a));
  for (const k of strongestFirst) {
    let best = begin;
    let least = Number.POSITIVE_INFINITY;
    for (const p of free) {
      const cost = misfit(k, p);
      if (cost < least) [best, least] = [p, cost];
    }
    order[best] = k;
    free.delete(best);
  }
  // Misfits under this are the record's own rounding.
  const negligible = 1e-13;
  for (let traded = true; traded; ) {
    traded = false;
    for (let p = begin; p < end; p++) {
      const own = misfit(order[p]!, p);
      let partner = p;
      let gain = negligible;
      for (let q = begin; own > negligible && q < end; q++) {
        const saved = own + misfit(order[q]!, q) - misfit(order[p]!, q) - misfit(order[q]!, p);
        if (saved > gain) [partner, gain] = [q, saved];
      }
      if (partner === p) continue;
      const k = order[p]!;
      order[p] = order[partner]!;
      order[partner] = k;
      traded = true;
    }
  }
}
