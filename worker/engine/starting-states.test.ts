import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initialStateStream, normalDeviates, stepStream } from "../../shared/diffusion/addressable-noise.js";
import { noiseLevel, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { loadStateKernels, type StateKernels } from "../../shared/kernels/state-kernels.js";
import * as reference from "../../shared/kernels/state-reference.js";
import { relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { toyChain } from "../../test/toy-chain.js";
import { arcWeights, startingStates, stepOffsets } from "./starting-states.js";

const quarterTurn = fc.double({ min: 0, max: Math.PI / 2, noNaN: true });

describe("arcWeights", () => {
  it("carry (cos, sin) at the boundaries to (cos, sin) between them: fixed picture and noise stay fixed", () => {
    fc.assert(
      fc.property(quarterTurn, quarterTurn, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, share) => {
        const [exit, entry] = [Math.min(a, b), Math.max(a, b)];
        fc.pre(entry - exit > 1e-3);
        const state = entry + share * (exit - entry);
        const w = arcWeights({ entry, exit, state });
        expect(w.entry * Math.cos(entry) + w.exit * Math.cos(exit)).toBeCloseTo(Math.cos(state), 9);
        expect(w.entry * Math.sin(entry) + w.exit * Math.sin(exit)).toBeCloseTo(Math.sin(state), 9);
      }),
    );
  });

  it("are (1, 0) at the entry and (0, 1) at the exit", () => {
    const [entry, exit] = [1.2, 0.4];
    expect(arcWeights({ entry, exit, state: entry })).toEqual({ entry: 1, exit: 0 });
    expect(arcWeights({ entry, exit, state: exit })).toEqual({ entry: 0, exit: 1 });
  });

  it("hold the entry where both boundaries have the same noise", () => {
    expect(arcWeights({ entry: 0.7, exit: 0.7, state: 0.7 })).toEqual({ entry: 1, exit: 0 });
  });
});

describe.each([taskSamples[0], taskSamples[5], taskSamples[11]])("startingStates of $name", (sample) => {
  const operator = operatorOf(sample);
  const { height, width } = sample.size;
  const pixels = 3 * height * width;
  const steps = 10;
  const schedule = noiseSchedule({ steps, start: 1000, spacing: "uniform" });
  const signal = (state: number) => Math.sqrt(schedule.signal[state]);
  let kernels: StateKernels;
  beforeAll(async () => {
    kernels = await loadStateKernels(operator, { threads: 1 });
  });
  afterAll(() => kernels.release());

  const chain = (method: "picard" | "secant", nw = 0) =>
    toyChain({ steps, method, sample, weights: { etw: 0, nw } });
  const noise = (stream: number) => normalDeviates({ seed: 1, pictureId: "toy.png", stream }, pixels);
  const picturesOf = (states: Float32Array) => {
    const values = reference.toPicture(operator, states);
    return Array.from({ length: values.length / pixels }, (_, row) =>
      values.subarray(row * pixels, (row + 1) * pixels),
    );
  };
  const pictures = async (spec: Parameters<typeof startingStates>[0]) => {
    const states = picturesOf(await startingStates(spec, kernels));
    expect(states.length).toBe(spec.end - spec.begin + 1);
    return states;
  };
  const same = (found: Float32Array, expected: Float32Array) =>
    expect(relativeDistance(found, expected)).toBeLessThan(1e-5);

  it("are copies of z_0 for DeqIR's methods", async () => {
    const initial = noise(initialStateStream);
    const spec = { chain: chain("picard"), begin: 4, end: 7, seeds: undefined };
    for (const state of await pictures(spec)) same(state, initial);
  });

  it("are q-samples of A^+ y with z_0 as their noise for the secant method", async () => {
    const spec = { chain: chain("secant"), begin: 0, end: steps, seeds: undefined };
    const initial = noise(initialStateStream);
    const { pseudoInverse } = spec.chain;
    for (const [i, state] of (await pictures(spec)).entries()) {
      if (i === 0) same(state, initial);
      else
        same(
          state,
          initial.map((v, p) => signal(i) * pseudoInverse[p] + noiseLevel(schedule, i) * v),
        );
    }
  });

  it("of a re-seeded slice keep both boundaries, and a trajectory of fixed picture and noise exactly", async () => {
    const [x0, e] = [seededValues(pixels, 2), seededValues(pixels, 3)];
    const at = (i: number) => x0.map((v, p) => signal(i) * v + noiseLevel(schedule, i) * e[p]);
    const seeds = { entry: at(3), exit: at(8) };
    const states = await pictures({ chain: chain("secant"), begin: 3, end: 8, seeds });
    for (const [r, state] of states.entries()) same(state, at(3 + r));
  });

  it("of a re-seeded slice without a neighbour behind it start at its entry and end at A^+ y", async () => {
    const seeds = { entry: seededValues(pixels, 4), exit: undefined };
    const spec = { chain: chain("picard"), begin: 6, end: steps, seeds };
    const states = await pictures(spec);
    same(states[0], seeds.entry);
    same(states.at(-1) ?? new Float32Array(0), spec.chain.pseudoInverse);
  });

  it("stepOffsets are A^+ y, and fresh noise by step where there is any", async () => {
    const spec = { chain: chain("secant"), begin: 2, end: 5, seeds: undefined };
    const [inverse, ...none] = picturesOf(await stepOffsets(spec, kernels));
    same(inverse, spec.chain.pseudoInverse);
    expect(none).toEqual([]);
    const fresh = picturesOf(await stepOffsets({ ...spec, chain: chain("secant", 0.5) }, kernels));
    const expected = [spec.chain.pseudoInverse, ...[2, 3, 4].map((step) => noise(stepStream(step)))];
    expect(fresh.length).toBe(expected.length);
    for (const [i, picture] of expected.entries()) same(fresh[i], picture);
  });
});
