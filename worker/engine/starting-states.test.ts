import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import { initialStateStream, normalDeviates, stepStream } from "../../shared/diffusion/addressable-noise.js";
import { noiseLevel, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { RowPool } from "../../shared/kernels/row-pool.js";
import { loadStateKernels, type StateKernels } from "../../shared/kernels/state-kernels.js";
import * as reference from "../../shared/kernels/state-reference.js";
import { riderSize } from "../../shared/kernels/state-space.js";
import { relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { toyChain } from "../../test/toy-chain.js";
import { SliceBuffer } from "./slice-buffer.js";
import { arcWeights, writeOffsets, writeStartingStates } from "./starting-states.js";

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

/** Block means, bicubic lines, a mask, gray values, a blur with and without a mask, and the fast transform. */
const samples = [0, 3, 5, 7, 8, 11, 13].map((i) => taskSamples[i]);

describe.each(samples)("starting states of $name", (sample) => {
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

  /** The memory of a slice, as another that failed may leave it. */
  const bufferOf = ({ begin, end, chain: { weights } }: SliceSpec) => {
    const offsets = weights.nw === 0 ? 1 : end - begin + 1;
    const keeps = { deltas: false, secants: false };
    const buffer = new SliceBuffer(new RowPool(0), kernels, end - begin, offsets, keeps);
    const { block } = buffer;
    block.rows(0, block.size.rows).values.fill(Number.NaN);
    block.riders(0, block.size.rows).values.fill(Number.NaN);
    return buffer;
  };
  /** The pictures that rows [from, to) stand for; their riders have to be those of their states. */
  const picturesOf = ({ block }: SliceBuffer, from: number, to: number) => {
    const rows = block.rows(from, to).values;
    const riders = block.riders(from, to).values;
    expect(riders.length).toBe((to - from) * riderSize(operator));
    if (riders.length > 0) same(riders, reference.riders(operator, rows));
    const values = reference.toPicture(operator, rows);
    return Array.from({ length: to - from }, (_, row) => values.subarray(row * pixels, (row + 1) * pixels));
  };
  const startingPictures = async (spec: SliceSpec) => {
    const buffer = bufferOf(spec);
    await writeStartingStates(spec, buffer);
    const { firstState, firstNoise, exit, block } = buffer;
    expect(block.rows(firstNoise, exit).values.every(Number.isNaN), "other rows").toBe(true);
    return picturesOf(buffer, firstState, firstState + spec.end - spec.begin + 1);
  };
  const same = (found: Float32Array, expected: Float32Array) =>
    expect(relativeDistance(found, expected)).toBeLessThan(1e-5);

  it("are copies of z_0 for DeqIR's methods", async () => {
    const initial = noise(initialStateStream);
    const spec = { chain: chain("picard"), begin: 4, end: 7, seeds: undefined };
    for (const state of await startingPictures(spec)) same(state, initial);
  });

  it("are q-samples of A^+ y with z_0 as their noise for the secant method", async () => {
    const initial = noise(initialStateStream);
    for (const begin of [0, 6]) {
      const spec = { chain: chain("secant"), begin, end: steps, seeds: undefined };
      const { pseudoInverse } = spec.chain;
      for (const [r, state] of (await startingPictures(spec)).entries()) {
        const i = begin + r;
        const sampled = initial.map((v, p) => signal(i) * pseudoInverse[p] + noiseLevel(schedule, i) * v);
        same(state, i === 0 ? initial : sampled);
      }
    }
  });

  it("start from a z_0 that is given, instead of the seed's", async () => {
    const initialState = seededValues(pixels, 9);
    const spec = { chain: { ...chain("picard"), initialState }, begin: 0, end: 2, seeds: undefined };
    for (const state of await startingPictures(spec)) same(state, initialState);
  });

  it("of a slice without steps are its entry state alone", async () => {
    const spec = { chain: chain("picard"), begin: 0, end: 0, seeds: undefined };
    const buffer = bufferOf({ ...spec, end: 1 });
    await writeStartingStates(spec, buffer);
    same(picturesOf(buffer, 1, 2)[0], noise(initialStateStream));
    expect(buffer.states(1, 2).values.every(Number.isNaN)).toBe(true);
  });

  it("of a re-seeded slice keep both boundaries, and a trajectory of fixed picture and noise exactly", async () => {
    const [x0, e] = [seededValues(pixels, 2), seededValues(pixels, 3)];
    const at = (i: number) => x0.map((v, p) => signal(i) * v + noiseLevel(schedule, i) * e[p]);
    const seeds = { entry: at(3), exit: at(8) };
    const states = await startingPictures({ chain: chain("secant"), begin: 3, end: 8, seeds });
    for (const [r, state] of states.entries()) same(state, at(3 + r));
  });

  it("of a re-seeded first slice run from z_0 to the state behind it", async () => {
    const exit = seededValues(pixels, 5);
    const spec = { chain: chain("secant"), begin: 0, end: 4, seeds: { entry: undefined, exit } };
    const states = await startingPictures(spec);
    const angle = (i: number) => Math.atan2(noiseLevel(schedule, i), signal(i));
    const initial = noise(initialStateStream);
    same(states[0], initial);
    for (const r of [1, 2, 3, 4]) {
      const w = arcWeights({ entry: angle(0), exit: angle(4), state: angle(r) });
      const between = initial.map((v, p) => w.entry * v + w.exit * exit[p]);
      same(states[r], between);
    }
  });

  it("of a re-seeded slice without a neighbour behind it start at its entry and end at A^+ y", async () => {
    const seeds = { entry: seededValues(pixels, 4), exit: undefined };
    const spec = { chain: chain("picard"), begin: 6, end: steps, seeds };
    const states = await startingPictures(spec);
    same(states[0], seeds.entry);
    same(states.at(-1) ?? new Float32Array(0), spec.chain.pseudoInverse);
  });

  it("writeOffsets writes A^+ y, and fresh noise by step where there is any", async () => {
    for (const nw of [0, 0.5]) {
      const spec = { chain: chain("secant", nw), begin: 2, end: 5, seeds: undefined };
      const buffer = bufferOf(spec);
      await writeOffsets(spec, buffer);
      const { block, firstOffset, exit } = buffer;
      const fresh = nw === 0 ? [] : [2, 3, 4].map((step) => noise(stepStream(step)));
      const expected = [spec.chain.pseudoInverse, ...fresh];
      const found = picturesOf(buffer, firstOffset, exit);
      expect(found.length).toBe(expected.length);
      for (const [i, picture] of expected.entries()) same(found[i], picture);
      expect(block.rows(0, firstOffset).values.every(Number.isNaN), "other rows").toBe(true);
    }
  });
});
