/** Weights and combinations of rows, held to chains of numbers on which the recursions are written out. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nullWeight, type StepJacobian } from "../../shared/chain/jacobian.js";
import { noiseLevel, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { type NoiseWeights, stepCoefficients } from "../../shared/diffusion/step.js";
import * as reference from "../../shared/kernels/state-reference.js";
import type { StepRows, Term } from "../../shared/kernels/state-rows.js";
import { type Part, parts, stateSize } from "../../shared/kernels/state-space.js";
import { relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { compositionTerms, stepTerms, stepWeights, transferOf } from "./round-algebra.js";

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
}

function numberChain(seed: number, weights: NoiseWeights): NumberChain {
  const table = (at: number) => {
    const values = seededValues(2 * (longest + 1), seed + at);
    return (part: Part, i: number) => values[2 * i + parts.indexOf(part)];
  };
  const [j, y] = [table(0), table(4)];
  return {
    weights,
    jacobians: Array.from({ length: longest }, (_, i) => ({ range: j("range", i), null: j("null", i) })),
    z: table(1),
    eps: table(2),
    fresh: table(3),
    ybar: { range: y("range", 0), null: y("null", 0) },
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

/** The correction of state `end` by the recursion itself, from `entry` at state `from`. */
function correction(chain: NumberChain, part: Part, from: number, end: number, entry: number): number {
  let delta = entry;
  for (let i = from; i < end; i++) {
    delta = chain.jacobians[i][part] * delta + made(chain, part, i) - chain.z(part, i + 1);
  }
  return delta;
}

/** Rows of the steps [from, end) of a chain, at arbitrary places. */
class NumberRows {
  readonly steps: StepRows;
  readonly #numbers = new Map<number, Record<Part, number>>();

  constructor(chain: NumberChain, from: number, end: number) {
    const count = end - from;
    const rows = { states: 3, noise: 40, measurement: 2, fresh: chain.weights.nw === 0 ? undefined : 20 };
    const { weights, jacobians } = chain;
    this.steps = {
      ...rows,
      weights: Array.from({ length: count }, (_, r) =>
        stepWeights({ schedule, weights }, from + r, jacobians[from + r]),
      ),
    };
    const put = (row: number, on: (part: Part) => number) =>
      this.#numbers.set(row, { range: on("range"), null: on("null") });
    for (let r = 0; r <= count; r++) put(rows.states + r, (part) => chain.z(part, from + r));
    for (let r = 0; r < count; r++) {
      put(rows.noise + r, (part) => chain.eps(part, from + r));
      if (rows.fresh !== undefined) put(rows.fresh + r, (part) => chain.fresh(part, from + r));
    }
    put(rows.measurement, (part) => chain.ybar[part]);
  }

  /** What terms add up to. NaN if they name a row that is none of the steps'. */
  value(terms: readonly Term[], part: Part): number {
    return terms.reduce(
      (sum, term) => sum + term[part] * (this.#numbers.get(term.row)?.[part] ?? Number.NaN),
      0,
    );
  }
}

function same(found: number, expected: number): void {
  expect(Math.abs(found - expected)).toBeLessThan(1e-9 * (1 + Math.abs(expected)));
}

const noiseWeights = fc.constantFrom({ etw: 0, nw: 0 }, { etw: 0.85, nw: 0.85 });
const chains = fc.tuple(fc.nat(), noiseWeights).map(([seed, weights]) => numberChain(seed, weights));
/** begin <= from < end of a slice. */
const cuts = fc
  .tuple(fc.nat(longest - 1), fc.nat(longest - 1), fc.integer({ min: 1, max: longest }))
  .map((cut) => [...cut].sort((a, b) => a - b))
  .filter(([, from, end]) => from < end);

const ascending = (terms: readonly Term[]) =>
  terms.every((term, i) => i === 0 || terms[i - 1].row < term.row);
const counts = (terms: readonly Term[]) => terms.every((term) => term.range !== 0 || term.null !== 0);

describe("stepWeights", () => {
  it("are the step's coefficients on each part, with its Jacobian", () => {
    fc.assert(
      fc.property(chains, fc.nat(longest - 1), ({ weights, jacobians }, step) => {
        const found = stepWeights({ schedule, weights }, step, jacobians[step]);
        for (const part of parts) {
          expect(found[part]).toEqual({
            jacobian: jacobians[step][part],
            ...stepCoefficients(schedule, step, nullWeight[part], weights),
          });
        }
      }),
    );
  });
});

describe("stepTerms", () => {
  it("make f(z_r) of the rows of step r", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [, from, end]) => {
        const rows = new NumberRows(chain, from, end);
        for (let r = 0; r < end - from; r++) {
          const terms = stepTerms(rows.steps, r);
          expect(ascending(terms) && counts(terms)).toBe(true);
          for (const part of parts) same(rows.value(terms, part), made(chain, part, from + r));
        }
      }),
    );
  });

  it.each(taskSamples)("are DDNM's consistency and DDIM's update for $name", (sample) => {
    const space = operatorOf(sample);
    const size = stateSize(space);
    const count = 3;
    const begin = longest - count;
    for (const weights of [
      { etw: 0, nw: 0 },
      { etw: 0.6, nw: 0.3 },
    ]) {
      const rows = { states: 0, noise: count + 1, measurement: 2 * count + 1 };
      const fresh = weights.nw === 0 ? undefined : 2 * count + 2;
      const pictures = seededValues((3 * count + 2) * size, 1);
      const picture = (row: number) => pictures.subarray(row * size, (row + 1) * size);
      const ybar = picture(rows.measurement);
      ybar.set(space.fromSpectrum(space.toSpectrum(ybar)));
      const unused = { range: 0, null: 0 };
      const steps: StepRows = {
        ...rows,
        fresh,
        weights: [0, 1, 2].map((r) => stepWeights({ schedule, weights }, begin + r, unused)),
      };
      for (let r = 0; r < count; r++) {
        const onParts = { range: new Float32Array(3 * count + 2), null: new Float32Array(3 * count + 2) };
        for (const term of stepTerms(steps, r)) {
          for (const part of parts) onParts[part][term.row] = term[part];
        }
        const states = reference.combine(space, onParts, reference.toState(space, pictures));
        const found = reference.toPicture(space, states);
        const [z, eps] = [picture(rows.states + r), picture(rows.noise + r)];
        const [signal, next] = [schedule.signal[begin + r], schedule.signal[begin + r + 1]];
        const x0 = z.map((v, p) => (v - noiseLevel(schedule, begin + r) * eps[p]) / Math.sqrt(signal));
        const wrong = space.fromSpectrum(space.toSpectrum(x0.map((v, p) => v - ybar[p])));
        const kept = noiseLevel(schedule, begin + r + 1) * Math.sqrt(1 - weights.etw ** 2);
        const added = noiseLevel(schedule, begin + r + 1) * weights.nw;
        const noise = fresh === undefined ? undefined : picture(fresh + r);
        const expected = x0.map(
          (v, p) => Math.sqrt(next) * (v - wrong[p]) + kept * eps[p] + added * (noise?.[p] ?? 0),
        );
        expect(relativeDistance(found, expected)).toBeLessThan(1e-5);
      }
    }
  });
});

describe("compositionTerms", () => {
  it("follow delta_{i+1} = J_i delta_i + f(z_i) - z_{i+1} from an unmoved entry", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [, from, end]) => {
        const rows = new NumberRows(chain, from, end);
        const terms = compositionTerms(rows.steps);
        expect(ascending(terms) && counts(terms)).toBe(true);
        for (const part of parts) {
          same(rows.value(terms, part), correction(chain, part, from, end, 0));
        }
      }),
    );
  });

  it("with the slice's transfer pass an entry correction on: delta_q = D delta_p + s", () => {
    fc.assert(
      fc.property(chains, cuts, fc.double({ min: -3, max: 3, noNaN: true }), (chain, cut, entry) => {
        const [begin, from, end] = cut;
        const rows = new NumberRows(chain, from, end);
        const transfer = transferOf(chain.jacobians.slice(begin, end), from - begin);
        for (const part of parts) {
          const s = rows.value(compositionTerms(rows.steps), part);
          same(transfer[part] * entry + s, correction(chain, part, from, end, entry));
        }
      }),
    );
  });

  it("compose: s over [p, q) and over [q, r) give s and D over [p, r), on both parts", () => {
    fc.assert(
      fc.property(chains, cuts, (chain, [p, q, r]) => {
        fc.pre(p < q);
        const composition = (begin: number, end: number) => {
          const rows = new NumberRows(chain, begin, end);
          const terms = compositionTerms(rows.steps);
          return {
            s: (part: Part) => rows.value(terms, part),
            transfer: transferOf(chain.jacobians.slice(begin, end), 0),
          };
        };
        const [first, second, whole] = [composition(p, q), composition(q, r), composition(p, r)];
        for (const part of parts) {
          same(second.transfer[part] * first.s(part) + second.s(part), whole.s(part));
          same(first.transfer[part] * second.transfer[part], whole.transfer[part]);
        }
      }),
    );
  });

  it("of no steps are nothing, and their transfer is one", () => {
    const rows = { states: 0, noise: 1, measurement: 2, fresh: undefined };
    expect(compositionTerms({ ...rows, weights: [] })).toEqual([]);
    expect(transferOf([{ range: 0.5, null: 0.7 }], 1)).toEqual({ range: 1, null: 1 });
  });
});
