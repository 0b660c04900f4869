/** Anderson mixing of the states of a slice, held to the mixture written out in plain TypeScript. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { andersonCoefficients, solvePositiveDefinite } from "../../shared/chain/anderson.js";
import { sumsBefore } from "../../shared/chain/gram-sums.js";
import type { Mixing } from "../../shared/chain/method.js";
import { PictureError } from "../../shared/errors.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { norm, relativeDistance, seededValues } from "../../test/seeded-values.js";
import { MixingHistory } from "./mixing-history.js";

/** A round: what `mix` is given. */
interface Round {
  readonly from: number;
  readonly plain: number;
  readonly forget: boolean;
}

/** Takes corrections and mixes them at once: what methods without an exchange do. */
function mixAtOnce(
  history: MixingHistory,
  corrections: Array32,
  corrected: Array32,
  from: number,
  to: number,
  plain: number,
): void {
  history.take(corrections, corrected, from, to, plain);
  history.mix(corrected);
}

/** The last m corrections and corrected states of every row, newest last. */
class PlainHistory {
  #kept: { correction: Float32Array; corrected: Float32Array }[][];
  readonly #mixing: Mixing;

  constructor(mixing: Mixing, rows: number) {
    this.#mixing = mixing;
    this.#kept = Array.from({ length: rows }, () => []);
  }

  clear(): void {
    this.#kept = this.#kept.map(() => []);
  }

  /** The state that follows from a row's newest correction. */
  mixture(row: number, correction: Float32Array, corrected: Float32Array, plain: boolean): Float64Array {
    const kept = this.#kept[row];
    kept.push({ correction: correction.slice(), corrected: corrected.slice() });
    if (kept.length > this.#mixing.memory) kept.shift();
    if (plain) return Float64Array.from(corrected);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
    const gram = kept.flatMap((a) => kept.map((b) => dot(a.correction, b.correction)));
    const alpha = andersonCoefficients(Float64Array.from(gram), kept.length, this.#mixing.ridge);
    return Float64Array.from(corrected, (_, i) =>
      kept.reduce((sum, { corrected: values }, j) => sum + alpha[j] * values[i], 0),
    );
  }
}

/** Runs rounds on both, comparing all states after each. */
function expectMixed(mixing: Mixing, size: number, rows: number, rounds: readonly Round[], seed: number) {
  const history = new MixingHistory(mixing, size, rows);
  const plainly = new PlainHistory(mixing, rows);
  for (const [k, { from, plain, forget }] of rounds.entries()) {
    if (forget) {
      history.clear();
      plainly.clear();
    }
    const count = rows - from;
    const given = { values: seededValues(count * size, seed + 2 * k), dims: [count, size] };
    const corrected = { values: seededValues(count * size, seed + 2 * k + 1), dims: [count, size] };
    const [corrections, before] = [given.values.slice(), corrected.values.slice()];
    mixAtOnce(history, given, corrected, from, rows, plain);
    expect(given.values).toEqual(corrections);
    for (let row = from; row < rows; row++) {
      const on = (values: Float32Array) => values.subarray((row - from) * size, (row - from + 1) * size);
      const expected = plainly.mixture(row, on(corrections), on(before), row <= plain);
      const found = on(corrected.values);
      if (row <= plain) expect(found).toEqual(on(before));
      const distance = norm(expected.map((v, i) => found[i] - v));
      // Coefficients follow from sums of float32 products, and may be as large as the systems are ill posed.
      expect(distance, `round ${k}, row ${row}`).toBeLessThanOrEqual(2e-5 * Math.sqrt(size));
    }
  }
}

const ridge = 1e-2;

describe("mix", () => {
  it.each([1, 2, 3, 5])("mixes the last %i corrected states, each state by itself", (memory) => {
    const rounds = Array.from({ length: 2 * memory + 3 }, () => ({ from: 0, plain: -1, forget: false }));
    expectMixed({ fit: "own", memory, ridge }, 97, 4, rounds, 10);
  });

  it.each([48, 96, 257, 515, 3 * 17 * 19])("works on states of %i numbers", (size) => {
    const rounds = Array.from({ length: 7 }, () => ({ from: 0, plain: 0, forget: false }));
    expectMixed({ fit: "own", memory: 3, ridge }, size, 3, rounds, 20);
  });

  it("leaves rows alone that are final or take the plain step, and starts over when told", () => {
    const advance = fc.record({
      by: fc.nat(2),
      plain: fc.integer({ min: -1, max: 2 }),
      forget: fc.boolean(),
    });
    const arbitrary = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(), fc.array(advance, { maxLength: 9 }));
    fc.assert(
      fc.property(arbitrary, ([memory, seed, advances]) => {
        const rows = 6;
        let from = 0;
        const rounds = advances.map(({ by, plain, forget }) => {
          from = Math.min(rows - 1, from + by);
          return { from, plain: from + plain, forget };
        });
        expectMixed({ fit: "own", memory, ridge }, 61, rows, rounds, seed);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps a first correction as it is: there is nothing to mix it with", () => {
    const history = new MixingHistory({ fit: "own", memory: 4, ridge }, 30, 2);
    const corrected = { values: seededValues(60, 1), dims: [2, 30] };
    const before = corrected.values.slice();
    mixAtOnce(history, { values: seededValues(60, 2), dims: [2, 30] }, corrected, 0, 2, -1);
    expect(corrected.values).toEqual(before);
  });

  it("mixes a state that enters later with its own rounds only", () => {
    const size = 40;
    const mixing: Mixing = { fit: "own", memory: 3, ridge };
    const [early, late] = [new MixingHistory(mixing, size, 3), new MixingHistory(mixing, size, 3)];
    const rounds = Array.from({ length: 6 }, (_, k) => ({ k, to: k < 2 ? 2 : 3 }));
    const given = (k: number, to: number) => ({
      corrections: { values: seededValues(to * size, 20 + k), dims: [to, size] },
      corrected: { values: seededValues(to * size, 40 + k), dims: [to, size] },
    });
    for (const { k, to } of rounds) {
      const one = given(k, to);
      mixAtOnce(early, one.corrections, one.corrected, 0, to, -1);
      if (to < 3) continue;
      // The same rounds from the third on, seen by a history that has known no others.
      const other = given(k, to);
      mixAtOnce(late, other.corrections, other.corrected, 0, to, -1);
      const third = ({ values }: { values: Float32Array }) => values.subarray(2 * size);
      expect(relativeDistance(third(one.corrected), third(other.corrected))).toBeLessThan(1e-6);
    }
  });

  it("solves a linear fixed point of few dimensions: what mixing is for", () => {
    const size = 12;
    const factors = Float32Array.from({ length: size }, (_, i) => 0.9 - 0.2 * (i % 3));
    const fixed = seededValues(size, 4);
    const rounds = 8;
    const distanceAfter = (memory: number) => {
      const history = new MixingHistory({ fit: "own", memory, ridge: 1e-9 }, size, 1);
      let state = new Float32Array(size);
      for (let round = 0; round < rounds; round++) {
        const correction = state.map((v, i) => (1 - factors[i]) * (fixed[i] - v));
        const corrected = { values: state.map((v, i) => v + correction[i]), dims: [1, size] };
        mixAtOnce(history, { values: correction, dims: [1, size] }, corrected, 0, 1, -1);
        state = corrected.values;
      }
      return norm(state.map((v, i) => v - fixed[i])) / norm(fixed);
    };
    expect(distanceAfter(1)).toBeGreaterThan(0.1);
    expect(distanceAfter(5)).toBeLessThan(1e-3);
  });
});

describe("triangular mixing", () => {
  const size = 20;
  const memory = 3;
  const mixing: Mixing = { fit: "triangular", memory, ridge };

  /** x + R - (dX + dR) (dR^T dR + lambda I)^-1 dR^T R of every state, the sums over all states up to it, as ParaTAA has it. */
  function published(
    rounds: readonly { corrections: Float32Array[]; corrected: Float32Array[] }[],
    plain: number,
  ) {
    const kept = rounds.slice(-memory).reverse();
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
    const minus = (a: Float32Array, b: Float32Array) => a.map((v, i) => v - b[i]);
    const pairs = kept.slice(1).map((_, j) => [kept[j], kept[j + 1]] as const);
    return kept[0].corrected.map((newest, state) => {
      if (state <= plain || pairs.length === 0) return newest;
      const matrix = new Float64Array(pairs.length ** 2);
      const right = new Float64Array(pairs.length);
      for (let row = Math.max(1, plain); row <= state; row++) {
        const dR = pairs.map(([a, b]) => minus(a.corrections[row], b.corrections[row]));
        for (const [j, a] of dR.entries()) {
          right[j] += dot(a, kept[0].corrections[row]);
          for (const [k, b] of dR.entries()) matrix[j * dR.length + k] += dot(a, b);
        }
      }
      for (let j = 0; j < pairs.length; j++) matrix[j * pairs.length + j] += ridge;
      const gamma = solvePositiveDefinite(matrix, right);
      return newest.map((v, i) =>
        pairs.reduce((sum, [a, b], j) => sum - gamma[j] * (a.corrected[state][i] - b.corrected[state][i]), v),
      );
    });
  }

  it("is the published one, in one slice and cut in two, both copies of the boundary state alike", () => {
    const states = 7;
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: states - 2 }),
        fc.integer({ min: 0, max: 3 }),
        (seed, cut, plain) => {
          const rowsOf = (from: number) =>
            Array.from({ length: states }, (_, i) => seededValues(size, from + i));
          const rounds = Array.from({ length: 5 }, (_, k) => ({
            corrections: rowsOf(seed + 100 * k),
            corrected: rowsOf(seed + 100 * k + 50),
          }));
          const whole = new MixingHistory(mixing, size, states);
          const left = new MixingHistory(mixing, size, cut + 1);
          const right = new MixingHistory(mixing, size, states - cut);
          const block = (rows: Float32Array[]): Array32 => ({
            values: Float32Array.from(rows.flatMap((row) => [...row])),
            dims: [rows.length, size],
          });
          for (const [k, { corrections, corrected }] of rounds.entries()) {
            const all = block(corrected);
            whole.take(block(corrections), all, 0, states, plain);
            whole.mix(all, new Array<number>(memory ** 2).fill(0));
            const [first, second] = [block(corrected.slice(0, cut + 1)), block(corrected.slice(cut))];
            left.take(block(corrections.slice(0, cut + 1)), first, 0, cut + 1, plain);
            right.take(block(corrections.slice(cut)), second, 0, states - cut, plain - cut);
            const [none, before] = sumsBefore([left.gramSums(), right.gramSums()]);
            left.mix(first, none);
            right.mix(second, before);
            const expected = block(published(rounds.slice(0, k + 1), plain)).values;
            expect(relativeDistance(all.values, expected)).toBeLessThan(1e-4);
            const joined = Float32Array.of(...first.values, ...second.values.subarray(size));
            expect(relativeDistance(joined, expected)).toBeLessThan(1e-4);
            if (plain < cut)
              expect(second.values.subarray(0, size)).toEqual(first.values.subarray(cut * size));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("mixes what was taken once, and nothing that was forgotten", () => {
    const history = new MixingHistory(mixing, size, 2);
    const given = (seed: number): Array32 => ({ values: seededValues(2 * size, seed), dims: [2, size] });
    for (const forget of [false, true]) {
      history.take(given(1), given(2), 0, 2, -1);
      history.take(given(3), given(4), 0, 2, -1);
      if (forget) history.clear();
      else history.mix(given(4));
      const states = given(4);
      history.mix(states);
      expect(states.values).toEqual(given(4).values);
    }
  });
});

describe("a history that exceeds 4 GiB", () => {
  it("is refused with its size and what to do", () => {
    const open = () => new MixingHistory({ fit: "own", memory: 5, ridge }, 3 * 4096 * 4096, 11);
    expect(open).toThrow(PictureError);
    expect(open).toThrow(
      "mixing keeps 10 copies of 11 states of 50331648 numbers, and a slice may hold 4 GiB: use more workers, fewer steps or another --method",
    );
  });
});
