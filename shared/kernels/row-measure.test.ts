/** Sums of residuals and secants, held to the plain reference for every kind of operator. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FilledRows, randomWeights, stepLayout } from "../../test/filled-rows.js";
import { rowSamples } from "../../test/row-samples.js";
import { norm, seededValues } from "../../test/seeded-values.js";
import type { PictureShape } from "../operators/operator.js";
import type { PartSums } from "./row-measure.js";
import { partFactors } from "./sampling.js";
import { loadStateKernels, type StateKernels } from "./state-kernels.js";
import * as reference from "./state-reference.js";
import type { StepRows } from "./state-rows.js";
import { type Part, parts, stateSize } from "./state-space.js";

/** Rounding, relative to the squares of all that is measured; some thousand terms, lines of them in float32. */
const close = 3e-6;

/** Pictures [rows, 3, H, W] whose planes are a constant and a slow wave. */
function smoothPictures(rows: number, { height, width }: PictureShape, seed: number): Float32Array {
  const area = height * width;
  const waves = Array.from({ length: 3 * rows }, (_, plane) => seededValues(5, seed + plane));
  return Float32Array.from({ length: 3 * rows * area }, (_, i) => {
    const [mean, swing, phase, down, across] = waves[Math.floor(i / area)];
    const turns = (down * Math.floor((i % area) / width)) / height + (across * (i % width)) / width;
    return mean + swing * Math.cos(Math.PI * (4 * turns + phase));
  });
}

/** What the reference measures of one step. */
interface StepSamples extends reference.RoundSamples {
  readonly residual: reference.OnParts;
}

describe.each(rowSamples)("$name", ({ operator }) => {
  const size = stateSize(operator);
  let kernels: StateKernels;
  beforeAll(async () => {
    kernels = await loadStateKernels(operator, { threads: 1 });
  });
  afterAll(() => kernels.release());

  /** Samples of one step that lies in `rows`, by its coefficients on z_r, z_{r+1}, eps_r, A^+ y and n_r. */
  function samplesOfStep(rows: FilledRows, steps: StepRows, r: number): StepSamples {
    const { states, noise, measurement, fresh } = steps;
    const order = [states + r, states + r + 1, noise + r, measurement];
    if (fresh !== undefined) order.push(fresh + r);
    const values = new Float32Array(order.length * size);
    for (const [i, row] of order.entries()) values.set(rows.read(row), i * size);
    const of = (coefficients: (part: Part) => number[]) => {
      const on = (part: Part) => Float32Array.from(coefficients(part).slice(0, order.length));
      return reference.samplesOf(operator, { range: on("range"), null: on("null") }, values);
    };
    const made = (next: number) => (part: Part) => {
      const c = steps.weights[r][part];
      return [c.state, next, c.noiseEstimate, c.measurement, c.freshNoise];
    };
    return { state: of(() => [1, 0, 0, 0, 0]), made: of(made(0)), residual: of(made(-1)) };
  }

  const length = (on: reference.OnParts) => norm(parts.map((part) => norm(on[part])));

  function expectSums(found: Record<Part, PartSums>, now: StepSamples, before: StepSamples | undefined) {
    const nearOnParts = (key: keyof PartSums, expected: reference.OnParts, scale: number) => {
      for (const part of parts)
        expect(Math.abs(found[part][key] - expected[part][0]), `${key} on the ${part}`).toBeLessThanOrEqual(
          close * scale,
        );
    };
    // Where the null space is what the range leaves, its sums are differences of the whole and the range.
    nearOnParts("squares", reference.squares(now.residual, 1), 4 * length(now.residual) ** 2);
    if (!before) return;
    const { dzdz, dzdf } = reference.secantProducts(now, before, 1);
    const lengths = (at: "state" | "made") => length(now[at]) + length(before[at]);
    nearOnParts("dzdz", dzdz, 2 * lengths("state") ** 2);
    nearOnParts("dzdf", dzdf, 2 * lengths("state") * lengths("made"));
  }

  /** Random rows for as many steps as the block has room for. */
  async function randomise(rows: FilledRows, seed: number): Promise<void> {
    const n = rows.size.steps;
    const at = stepLayout(n);
    await rows.write(at.states, seededValues((n + 1) * size, seed));
    await rows.write(at.noise, seededValues(n * size, seed + 1));
    await rows.write(at.measurement, seededValues(size, seed + 2));
    await rows.write(at.fresh, seededValues(n * size, seed + 3));
  }
  const stepsFrom = (n: number, first: number, count: number, fresh: boolean, seed: number): StepRows => {
    const at = stepLayout(n);
    return {
      states: at.states + first,
      noise: at.noise + first,
      measurement: at.measurement,
      fresh: fresh ? at.fresh + first : undefined,
      weights: randomWeights(count, seed),
    };
  };

  it("measures residuals and, call after call, the secants of the same steps", async () => {
    const n = 4;
    const rows = new FilledRows(kernels, { rows: stepLayout(n).rows, steps: n, secants: true });
    const before = new Map<number, StepSamples>();
    const calls = [
      { first: 0, count: 4, fresh: true },
      { first: 0, count: 4, fresh: true },
      { first: 2, count: 2, fresh: false },
      { first: 1, count: 3, fresh: true },
      { first: 3, count: 1, fresh: false },
      { first: 0, count: 4, fresh: false },
    ];
    for (const [call, { first, count, fresh }] of calls.entries()) {
      await randomise(rows, 100 + 10 * call);
      const steps = stepsFrom(n, first, count, fresh, 200 + call);
      const held = rows.snapshot();
      const sums = rows.block.measure(steps, first);
      rows.expectUntouched(held, [], "measure");
      expect(sums.length).toBe(count);
      for (const [r, found] of sums.entries()) {
        const now = samplesOfStep(rows, steps, r);
        expectSums(found, now, before.get(first + r));
        before.set(first + r, now);
      }
    }
  });

  it.each([1, 2, 5])("measures residuals alone of %i steps", async (n) => {
    const rows = new FilledRows(kernels, { rows: stepLayout(n).rows, steps: n });
    for (const fresh of [true, false]) {
      await randomise(rows, 300);
      const steps = stepsFrom(n, 0, n, fresh, 310);
      for (const call of ["first", "second"]) {
        const sums = rows.block.measure(steps, 0);
        expect(sums.length, call).toBe(n);
        for (const [r, found] of sums.entries()) {
          expectSums(found, samplesOfStep(rows, steps, r), undefined);
          for (const part of parts) expect([found[part].dzdz, found[part].dzdf]).toEqual([0, 0]);
        }
      }
    }
  });

  it("measures the same of steps whose numbers were taken before, one by one", async () => {
    const n = 3;
    const rows = new FilledRows(kernels, { rows: stepLayout(n).rows, steps: n, secants: true });
    const other = new FilledRows(kernels, { rows: stepLayout(n).rows, steps: n, secants: true });
    for (const [call, taken] of [3, 1, 0].entries()) {
      await randomise(rows, 340 + 10 * call);
      await randomise(other, 340 + 10 * call);
      const steps = stepsFrom(n, 0, n, call !== 1, 350 + call);
      for (let r = 0; r < taken; r++) rows.block.gather(steps, r);
      expect(rows.block.measure(steps, 0), `${taken} taken`).toEqual(other.block.measure(steps, 0));
    }
    if (!kernels.samples) return;
    rows.block.gather(stepsFrom(n, 0, n, false, 1), 0);
    expect(() => rows.block.gather(stepsFrom(n, 0, n, false, 1), 2)).toThrow(RangeError);
  });

  it("finds no change where nothing changed", async () => {
    const n = 2;
    const rows = new FilledRows(kernels, { rows: stepLayout(n).rows, steps: n, secants: true });
    await randomise(rows, 320);
    const steps = stepsFrom(n, 0, n, true, 330);
    const first = rows.block.measure(steps, 0);
    for (const [r, found] of rows.block.measure(steps, 0).entries()) {
      for (const part of parts) {
        expect(found[part]).toEqual({ squares: first[r][part].squares, dzdz: 0, dzdf: 0 });
      }
    }
  });

  it("refuses steps it has no room for", async () => {
    const rows = new FilledRows(kernels, { rows: stepLayout(3).rows, steps: 2 });
    expect(() => rows.block.measure(stepsFrom(3, 0, 2, false, 1), 1)).toThrow(RangeError);
    expect(() => rows.block.measure(stepsFrom(3, 0, 3, false, 1), 0)).toThrow(RangeError);
  });

  it.each(["random", "smooth"])("sampled squares, times factors, stand for %s states", async (kind) => {
    const n = 3;
    const pictures = kind === "random" ? seededValues(n * size, 20) : smoothPictures(n, operator.picture, 20);
    const states = reference.toState(operator, pictures);
    const whole = reference.partSquares(operator, states);
    const factors = partFactors(kernels.samples);
    const sampled = size > 12288 && kernels.samples !== undefined;
    // A mean over 2048 samples is 2 to 7 % off.
    const tolerance = sampled ? 0.1 : 1e-5;
    const weight = { jacobian: 1, state: 1, noiseEstimate: 0, measurement: 0, freshNoise: 0 };
    const rows = new FilledRows(kernels, { rows: 4, steps: 1 });
    await rows.write(1, new Float32Array(3 * size));
    for (let row = 0; row < n; row++) {
      await rows.write(0, states.subarray(row * size, (row + 1) * size));
      const steps = { states: 0, noise: 2, measurement: 3, fresh: undefined };
      const [sums] = rows.block.measure({ ...steps, weights: [{ range: weight, null: weight }] }, 0);
      const total = whole.range[row] + whole.null[row];
      const estimate = (part: Part) => factors[part] * sums[part].squares;
      for (const part of parts) {
        const error = Math.abs(estimate(part) - whole[part][row]);
        // A part may vanish up to rounding.
        expect(error, part).toBeLessThanOrEqual(tolerance * whole[part][row] + 1e-5 * total);
      }
      expect(Math.abs(estimate("range") + estimate("null") - total)).toBeLessThanOrEqual(tolerance * total);
    }
  });
});
