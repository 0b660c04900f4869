/** Scans over rows, held to the recursion written out on the reference's projection, for every kind of operator. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectNear, FilledRows, randomWeights, stepLayout } from "../../test/filled-rows.js";
import { rowSamples } from "../../test/row-samples.js";
import { norm, seededValues } from "../../test/seeded-values.js";
import { loadStateKernels, type StateKernels } from "./state-kernels.js";
import * as reference from "./state-reference.js";
import type { StepRows } from "./state-rows.js";
import { parts, riderSize, stateSize } from "./state-space.js";

/** What a scan is given: rows one after the other. */
interface ScanInput {
  readonly states: Float32Array;
  readonly noise: Float32Array;
  readonly measurement: Float32Array;
  readonly fresh: Float32Array | undefined;
  readonly entry: Float32Array | undefined;
  readonly weights: StepRows["weights"];
}

describe.each(rowSamples)("$name", ({ operator }) => {
  const size = stateSize(operator);
  let kernels: StateKernels;
  beforeAll(async () => {
    kernels = await loadStateKernels(operator, { threads: 1 });
  });
  afterAll(() => kernels.release());

  const randomInput = (n: number, withEntry: boolean, withFresh: boolean, seed: number): ScanInput => ({
    states: seededValues((n + 1) * size, seed),
    noise: seededValues(n * size, seed + 1),
    measurement: seededValues(size, seed + 2),
    fresh: withFresh ? seededValues(n * size, seed + 3) : undefined,
    entry: withEntry ? seededValues(size, seed + 4) : undefined,
    weights: randomWeights(n, seed + 5),
  });

  /** delta_{r+1} = J_r delta_r + f(z_r) - z_{r+1} on each part by itself, and the sum of the parts. */
  function scanned(input: ScanInput): { states: Float64Array; deltas: Float64Array } {
    const n = input.weights.length;
    const deltas = new Float64Array((n + 1) * size);
    const onRange = (rows: Float32Array) => (rows.length > 0 ? reference.project(operator, rows) : rows);
    const onNull = (rows: Float32Array) => {
      const covered = onRange(rows);
      return rows.map((v, i) => v - covered[i]);
    };
    for (const part of parts) {
      const on = part === "range" ? onRange : onNull;
      const [z, eps, y] = [on(input.states), on(input.noise), on(input.measurement)];
      const fresh = input.fresh && on(input.fresh);
      const delta = Float64Array.from(input.entry ? on(input.entry) : new Float32Array(size));
      for (let r = 0; r <= n; r++) {
        for (let i = 0; i < size; i++) deltas[r * size + i] += delta[i];
        if (r === n) break;
        const c = input.weights[r][part];
        for (let i = 0; i < size; i++) {
          const at = r * size + i;
          const made = c.state * z[at] + c.noiseEstimate * eps[at] + c.measurement * y[i];
          const added = fresh ? c.freshNoise * fresh[at] : 0;
          delta[i] = c.jacobian * delta[i] + made + added - z[at + size];
        }
      }
    }
    return { states: deltas.map((delta, i) => delta + input.states[i]), deltas };
  }

  /** The input in a block, and the scan over it. */
  async function laidOut(input: ScanInput, deltas: boolean) {
    const n = input.weights.length;
    const at = stepLayout(n);
    const rows = new FilledRows(kernels, { rows: at.rows, steps: n + 1, deltas });
    await rows.write(at.states, input.states);
    await rows.write(at.noise, input.noise);
    await rows.write(at.measurement, input.measurement);
    if (input.fresh) await rows.write(at.fresh, input.fresh);
    if (input.entry) await rows.write(at.entry, input.entry);
    const fresh = input.fresh ? at.fresh : undefined;
    const steps: StepRows = { ...at, fresh, weights: input.weights };
    const scan = (exit?: number) => rows.block.scan(steps, input.entry ? at.entry : undefined, exit);
    return { rows, at, scan };
  }

  const nearRiders = (rows: FilledRows, at: number, count: number, scale: number) => {
    if (riderSize(operator) === 0) return expect(rows.riders(at, count).length).toBe(0);
    const expected = reference.riders(operator, rows.read(at, count));
    return expectNear(rows.riders(at, count), expected, scale, "riders of corrected states");
  };

  it.each([
    { n: 1, entry: false, fresh: false, deltas: false },
    { n: 1, entry: true, fresh: true, deltas: true },
    { n: 2, entry: true, fresh: false, deltas: true },
    { n: 2, entry: false, fresh: true, deltas: false },
    { n: 5, entry: true, fresh: true, deltas: false },
    { n: 5, entry: false, fresh: false, deltas: true },
    { n: 5, entry: false, fresh: true, deltas: true },
    { n: 0, entry: true, fresh: false, deltas: true },
  ])("corrects the states: n = $n, entry $entry, fresh noise $fresh, deltas $deltas", async (settings) => {
    const { n, deltas } = settings;
    const input = randomInput(n, settings.entry, settings.fresh, 20 + n);
    const { rows, at, scan } = await laidOut(input, deltas);
    const before = rows.snapshot();
    await scan();
    const states = Array.from({ length: n + 1 }, (_, r) => at.states + r);
    rows.expectUntouched(before, states, "scan");
    const expected = scanned(input);
    const scale = norm(input.states) + norm(expected.deltas);
    const found = rows.read(at.states, n + 1);
    expectNear(found, expected.states, scale, "states");
    nearRiders(rows, at.states, n + 1, scale);
    if (!deltas) return;
    const kept = rows.block.deltas(n + 1);
    expect(kept.dims).toEqual([n + 1, size]);
    expectNear(kept.values, expected.deltas, scale, "deltas");
    const change = found.map((v, i) => v - input.states[i]);
    expectNear(kept.values, change, scale, "deltas are what the states changed by");
  });

  it.each([
    { n: 1, entry: true, deltas: false },
    { n: 4, entry: false, deltas: false },
    { n: 4, entry: true, deltas: true },
  ])("tells the last correction: n = $n, entry $entry, deltas $deltas", async ({ n, entry, deltas }) => {
    const input = randomInput(n, entry, true, 70 + n);
    const { rows, at, scan } = await laidOut(input, deltas);
    const exit = at.entry + 1;
    const before = rows.snapshot();
    await scan(exit);
    const states = Array.from({ length: n + 1 }, (_, r) => at.states + r);
    rows.expectUntouched(before, [...states, exit], "scan");
    const expected = scanned(input);
    const scale = norm(input.states) + norm(expected.deltas);
    expectNear(rows.read(exit), expected.deltas.subarray(n * size), scale, "delta_n");
    expectNear(rows.read(at.states, n + 1), expected.states, scale, "states");
  });

  it("counts each of the five weights on its part alone", async () => {
    const quantities = ["jacobian", "state", "noiseEstimate", "measurement", "freshNoise"] as const;
    for (const part of parts) {
      for (const quantity of quantities) {
        const none = { jacobian: 0, state: 0, noiseEstimate: 0, measurement: 0, freshNoise: 0 };
        const weights = [{ range: none, null: none, [part]: { ...none, [quantity]: 1 } }];
        const input = { ...randomInput(1, true, true, 40), weights };
        const { rows, at, scan } = await laidOut(input, false);
        await scan();
        const { states } = scanned(input);
        const found = rows.read(at.states, 2);
        expectNear(found, states, 2 * norm(input.states), `${quantity} on the ${part}`);
      }
    }
  });

  it("with the same weights on both parts is plain arithmetic, number by number", async () => {
    const n = 3;
    const random = randomInput(n, true, true, 50);
    const input = { ...random, weights: random.weights.map((on) => ({ range: on.range, null: on.range })) };
    const { rows, at, scan } = await laidOut(input, false);
    await scan();
    const { states, noise, measurement, fresh, entry } = input;
    const expected = Float64Array.from(states);
    for (let i = 0; i < size; i++) {
      let delta = entry?.[i] ?? 0;
      for (let r = 0; r <= n; r++) {
        const place = r * size + i;
        expected[place] += delta;
        if (r === n) break;
        const c = input.weights[r].range;
        const made = c.state * states[place] + c.noiseEstimate * noise[place];
        const given = c.measurement * measurement[i] + c.freshNoise * (fresh?.[place] ?? 0);
        delta = c.jacobian * delta + made + given - states[place + size];
      }
    }
    expectNear(rows.read(at.states, n + 1), expected, 2 * norm(expected), "states");
  });

  it("leaves a solved chain as it is: states and riders of many rounds stay what they are", async () => {
    const n = 4;
    const input = randomInput(n, false, true, 60);
    const { rows, at, scan } = await laidOut(input, false);
    // With held weights the system is triangular in J = state: after one scan it is solved but for rounding.
    const held = input.weights.map((on) => ({
      range: { ...on.range, jacobian: on.range.state },
      null: { ...on.null, jacobian: on.null.state },
    }));
    const steps: StepRows = { ...at, weights: held };
    rows.block.scan(steps, undefined);
    const solved = rows.read(at.states, n + 1);
    for (let round = 0; round < 20; round++) rows.block.scan(steps, undefined);
    expectNear(rows.read(at.states, n + 1), solved, 2 * norm(input.states), "states");
    nearRiders(rows, at.states, n + 1, 2 * norm(input.states));
    // Weights of its own again: the block remembers none of a scan before.
    const now = { ...input, states: rows.read(at.states, n + 1) };
    await scan();
    const expected = scanned(now);
    expectNear(rows.read(at.states, n + 1), expected.states, 4 * norm(expected.states), "the next scan");
  });
});
