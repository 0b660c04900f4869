/** Combinations of rows, held to chains of numbers on which the recursions are written out. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nullWeight, type StepJacobian } from "../../shared/chain/jacobian.js";
import { noiseLevel, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { type NoiseWeights, stepCoefficients } from "../../shared/diffusion/step.js";
import * as reference from "../../shared/kernels/state-reference.js";
import { type Part, parts, stateSize } from "../../shared/kernels/state-space.js";
import { relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import {
  type Combinations,
  combineInputs,
  correctedRows,
  correctionRows,
  lastRow,
  measureInputs,
  residualRows,
  stateRows,
  stepRows,
  transferOf,
} from "./round-algebra.js";
import { SliceBuffer } from "./slice-buffer.js";

const operator = operatorOf(taskSamples[0]);
const longest = 12;
const schedule = noiseSchedule({ steps: longest, start: 1000, spacing: "uniform" });

/** A chain of numbers, others on each part: states, noise estimates, fresh noise and Jacobians by step. */
interface NumberChain {
  readonly weights: NoiseWeights;
  readonly jacobians: readonly StepJacobian[];
  readonly z: (part: Part, state: number) => number;
  readonly eps: (part: Part, step: number) => number;
  readonly fresh: (part: Part, step: number) => number;
  readonly ybar: Readonly<Record<Part, number>>;
  readonly entry: Readonly<Record<Part, number>>;
}

function numberChain(seed: number, weights: NoiseWeights): NumberChain {
  const table = (at: number) => {
    const values = seededValues(2 * (longest + 1), seed + at);
    return (part: Part, i: number) => values[2 * i + parts.indexOf(part)];
  };
  const j = table(0);
  const single = (at: number) => ({ range: table(at)("range", 0), null: table(at)("null", 0) });
  return {
    weights,
    jacobians: Array.from({ length: longest }, (_, i) => ({ range: j("range", i), null: j("null", i) })),
    z: table(1),
    eps: table(2),
    fresh: table(3),
    ybar: single(4),
    entry: single(5),
  };
}

/** f_i(z_i) by the coefficients of the step. */
function made(chain: NumberChain, part: Part, i: number): number {
  const c = stepCoefficients(schedule, i, nullWeight[part], chain.weights);
  return (
    c.state * chain.z(part, i) +
    c.noiseEstimate * chain.eps(part, i) +
    c.measurement * chain.ybar[part] +
    c.freshNoise * chain.fresh(part, i)
  );
}

/** Corrections of states from..end by the recursion itself. */
function corrections(chain: NumberChain, part: Part, from: number, end: number, entry: number): number[] {
  const deltas = [entry];
  for (let i = from; i < end; i++) {
    deltas.push(chain.jacobians[i][part] * deltas[i - from] + made(chain, part, i) - chain.z(part, i + 1));
  }
  return deltas;
}

/** The slice [begin, end) of a chain. */
class NumberSlice {
  readonly buffer: SliceBuffer;
  readonly algebra;
  readonly jacobians: readonly StepJacobian[];
  readonly #chain: NumberChain;

  constructor(chain: NumberChain, begin: number, end: number) {
    const { weights } = chain;
    const steps = end - begin;
    this.buffer = new SliceBuffer(operator, steps, weights.nw === 0 ? 1 : steps + 1);
    this.algebra = { schedule, weights, begin };
    this.jacobians = chain.jacobians.slice(begin, end);
    this.#chain = chain;
  }

  /** The rows' numbers on one part, in the buffer's order. */
  rows(part: Part): number[] {
    const { buffer, algebra } = this;
    const { z, eps, fresh, ybar, entry } = this.#chain;
    const steps = Array.from({ length: buffer.steps }, (_, r) => algebra.begin + r);
    const states = [...steps, algebra.begin + buffer.steps].map((i) => z(part, i));
    const noise = buffer.offsets > 1 ? steps.map((i) => fresh(part, i)) : [];
    return [entry[part], ...states, ...steps.map((i) => eps(part, i)), ybar[part], ...noise];
  }

  values(combinations: Combinations, part: Part): number[] {
    const rows = this.rows(part);
    return combinations[part].map((combination) => {
      expect(combination.length).toBe(rows.length);
      return combination.reduce((sum, c, row) => sum + c * rows[row], 0);
    });
  }
}

function same(found: readonly number[], expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(found[i] - value)).toBeLessThan(1e-9 * (1 + Math.abs(value)));
  }
}

const noiseWeights = fc.constantFrom({ etw: 0, nw: 0 }, { etw: 0.85, nw: 0.85 });
const chains = fc.tuple(fc.nat(), noiseWeights).map(([seed, weights]) => numberChain(seed, weights));
/** begin <= from < end of a slice. */
const cuts = fc
  .tuple(fc.nat(longest - 1), fc.nat(longest - 1), fc.integer({ min: 1, max: longest }))
  .map((cut) => [...cut].sort((a, b) => a - b))
  .filter(([, from, end]) => from < end);

describe("rows of a slice", () => {
  it("are its states, the states its steps make, and the differences, from `from` on", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [begin, from, end]) => {
        const slice = new NumberSlice(chain, begin, end);
        const { buffer, algebra } = slice;
        const steps = Array.from({ length: end - from }, (_, i) => from + i);
        for (const part of parts) {
          const z = steps.map((i) => chain.z(part, i));
          const f = steps.map((i) => made(chain, part, i));
          same(slice.values(stateRows(buffer, from - begin), part), z);
          same(slice.values(stepRows(buffer, algebra, from - begin), part), f);
          const residuals = f.map((v, i) => v - chain.z(part, steps[i] + 1));
          same(slice.values(residualRows(buffer, algebra, from - begin), part), residuals);
        }
      }),
    );
  });

  it.each(taskSamples)("stepRows are DDNM's consistency and DDIM's update for $name", (sample) => {
    const space = operatorOf(sample);
    const size = stateSize(space);
    for (const weights of [
      { etw: 0, nw: 0 },
      { etw: 0.6, nw: 0.3 },
    ]) {
      const steps = 3;
      const begin = longest - steps;
      const buffer = new SliceBuffer(space, steps, weights.nw === 0 ? 1 : steps + 1);
      const pictures = seededValues(buffer.end * size, 1);
      const picture = (row: number) => pictures.subarray(row * size, (row + 1) * size);
      const ybar = picture(buffer.firstOffset);
      ybar.set(space.fromSpectrum(space.toSpectrum(ybar)));
      const combinations = stepRows(buffer, { schedule, weights, begin }, 0);
      const onParts = {
        range: Float32Array.from(combinations.range.flatMap((row) => [...row])),
        null: Float32Array.from(combinations.null.flatMap((row) => [...row])),
      };
      const states = reference.combine(space, onParts, reference.toState(space, pictures));
      const found = reference.toPicture(space, states);
      for (let r = 0; r < steps; r++) {
        const [z, eps] = [picture(buffer.firstState + r), picture(buffer.firstNoise + r)];
        const [signal, next] = [schedule.signal[begin + r], schedule.signal[begin + r + 1]];
        const x0 = z.map((v, p) => (v - noiseLevel(schedule, begin + r) * eps[p]) / Math.sqrt(signal));
        const wrong = space.fromSpectrum(space.toSpectrum(x0.map((v, p) => v - ybar[p])));
        const kept = noiseLevel(schedule, begin + r + 1) * Math.sqrt(1 - weights.etw ** 2);
        const fresh = weights.nw === 0 ? undefined : picture(buffer.firstOffset + 1 + r);
        const added = noiseLevel(schedule, begin + r + 1) * weights.nw;
        const expected = x0.map(
          (v, p) => Math.sqrt(next) * (v - wrong[p]) + kept * eps[p] + added * (fresh?.[p] ?? 0),
        );
        expect(relativeDistance(found.subarray(r * size, (r + 1) * size), expected)).toBeLessThan(1e-5);
      }
    }
  });
});

describe("correctionRows", () => {
  it("follow delta_{i+1} = J_i delta_i + f(z_i) - z_{i+1}, from a moved or an unmoved entry", () => {
    fc.assert(
      fc.property(chains, cuts, fc.boolean(), (chain, [begin, from, end], entryMoves) => {
        const slice = new NumberSlice(chain, begin, end);
        const { buffer, algebra, jacobians } = slice;
        const rows = correctionRows(buffer, algebra, jacobians, from - begin, entryMoves);
        const corrected = correctedRows(buffer, rows, from - begin);
        for (const part of parts) {
          const entry = entryMoves ? chain.entry[part] : 0;
          const deltas = corrections(chain, part, from, end, entry);
          same(slice.values(rows, part), deltas);
          const states = deltas.map((delta, i) => chain.z(part, from + i) + delta);
          same(slice.values(corrected, part), states);
          same(slice.values(lastRow(corrected), part), states.slice(-1));
        }
      }),
    );
  });

  it("of an unmoved entry use no row before the state they start from", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [begin, from, end]) => {
        const { buffer, algebra, jacobians } = new NumberSlice(chain, begin, end);
        const rows = correctionRows(buffer, algebra, jacobians, from - begin, false);
        const firstRow = buffer.firstState + from - begin;
        for (const combinations of [rows, correctedRows(buffer, rows, from - begin)]) {
          for (const part of parts) {
            for (const row of combinations[part])
              expect(row.subarray(0, firstRow)).toEqual(new Float64Array(firstRow));
          }
        }
      }),
    );
  });

  it("pass an entry correction on by the slice's transfer: delta_q = D delta_p + s", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [begin, , end]) => {
        const slice = new NumberSlice(chain, begin, end);
        const { buffer, algebra, jacobians } = slice;
        const exit = (moves: boolean, part: Part) =>
          slice.values(lastRow(correctionRows(buffer, algebra, jacobians, 0, moves)), part)[0];
        const transfer = transferOf(jacobians, 0);
        for (const part of parts) {
          same([exit(true, part)], [transfer[part] * chain.entry[part] + exit(false, part)]);
        }
      }),
    );
  });

  it("compose: s over [p, q) and over [q, r) give s and D over [p, r), on both parts", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [p, q, r]) => {
        fc.pre(p < q);
        const composition = (begin: number, end: number) => {
          const slice = new NumberSlice(chain, begin, end);
          const { buffer, algebra, jacobians } = slice;
          const rows = lastRow(correctionRows(buffer, algebra, jacobians, 0, false));
          return {
            s: (part: Part) => slice.values(rows, part)[0],
            transfer: transferOf(jacobians, 0),
          };
        };
        const [first, second, whole] = [composition(p, q), composition(q, r), composition(p, r)];
        for (const part of parts) {
          same([second.transfer[part] * first.s(part) + second.s(part)], [whole.s(part)]);
          same([first.transfer[part] * second.transfer[part]], [whole.transfer[part]]);
        }
      }),
    );
  });
});

describe("inputs of the kernels", () => {
  it("are the coefficients over the rows from `firstRow` on: N, R - N, and N and R apart", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [begin, from, end]) => {
        const { buffer, algebra, jacobians } = new NumberSlice(chain, begin, end);
        const rows = correctionRows(buffer, algebra, jacobians, from - begin, false);
        const firstRow = buffer.firstState + from - begin;
        const dims = [end - from + 1, buffer.end - firstRow];
        const flat = (part: Part) => rows[part].flatMap((row) => [...row.subarray(firstRow)]);
        const [range, onNull] = [flat("range"), flat("null")];
        expect(combineInputs(rows, firstRow)).toEqual({
          null: { values: Float32Array.from(onNull), dims },
          rangeMinusNull: { values: Float32Array.from(range, (v, i) => v - onNull[i]), dims },
        });
        expect(measureInputs("made", rows, firstRow)).toEqual({
          "made.null": { values: Float32Array.from(onNull), dims },
          "made.range": { values: Float32Array.from(range), dims },
        });
      }),
    );
  });
});
