/** However borders move, and whatever is lost meanwhile, a chain's rounds are those of borders that stay. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BorderPolicy, fixedBorders } from "../coordinator/solver/border-watch.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { type RoundProgress, solveSerial, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { type MethodName, methodNames, methods } from "../shared/chain/method.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { LossyHost } from "./lossy-host.js";
import { RandomBorders } from "./random-borders.js";
import { relativeDistance } from "./seeded-values.js";
import { SleepingFleet } from "./sleeping-fleet.js";
import { operatorOf, taskSamples } from "./task-samples.js";
import { toyChain } from "./toy-chain.js";
import { brittleToy, smoothToy } from "./toy-networks.js";

const never = new AbortController().signal;
const exact = { tolerance: 1e-12, maxRounds: undefined };
const samples = taskSamples.filter(({ size }) => size.height * size.width <= 64);

let scan: PrefixScan;
beforeAll(() => {
  scan = new PrefixScan();
});
afterAll(() => scan.release());

const inProcess = (width: number, gain: number): SliceHost =>
  new InProcessHost(new SliceEngine(smoothToy(gain), { threads: 1 }), width);

const cases = fc.record({
  steps: fc.integer({ min: 2, max: 14 }),
  sample: fc.constantFrom(...samples),
  weights: fc.constantFrom({ etw: 0, nw: 0 }, { etw: 0.85, nw: 0.85 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

describe.each(methodNames)("method %s", (method: MethodName) => {
  const moves = methods[method].mixing === undefined;
  // What rounding does to secants of states that hardly move any more is seen between fixed cuts as well.
  const rounding = 1e-4;

  it("does the same rounds with any borders and any moves of them", async () => {
    let planned = 0;
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(
        cases,
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.option(fc.integer({ min: 2, max: 8 }), { nil: undefined }),
        fc.double({ min: 0.1, max: 1.2, noNaN: true }),
        fc.integer(),
        async (more, width, maxRounds, window, gain, seed) => {
          const chain = toyChain({ ...more, method });
          const solve = async (borders: BorderPolicy, workers: number) => {
            const parts = {
              host: inProcess(workers, gain),
              scan,
              operator: operatorOf(more.sample),
              borders,
            };
            const limits = { tolerance: 1e-12, maxRounds, window };
            const done: number[] = [];
            const note = (progress: RoundProgress) => done.push(progress.done);
            return { ...(await solveTimeParallel(chain, limits, parts, never, note)), done };
          };
          const fixed = await solve(fixedBorders, width);
          const otherCut = await solve(fixedBorders, width - 1);
          const borders = new RandomBorders(seed);
          const moving = await solve(borders, width);
          planned += moving.moved;
          expect(moving.moved).toBe(borders.planned);
          // Whether a residual vanishes altogether, which makes a state final and shifts the window, is up to rounding.
          const alike = fixed.done.findIndex(
            (done, i) => done !== moving.done[i] || done !== otherCut.done[i],
          );
          const rounds = alike < 0 ? fixed.done.length : alike + 1;
          // No residual meets the tolerance. In units of a state's noise, which near the picture is small: rounding looks larger.
          const sizes = (of: typeof fixed) => of.residuals.map((ratio) => ratio * exact.tolerance);
          const largest = Math.max(1, ...sizes(fixed));
          const furthest = (of: typeof fixed) =>
            Math.max(
              ...sizes(fixed)
                .slice(0, rounds)
                .map((size, k) => Math.abs(sizes(of)[k] - size)),
            );
          // Some chains carry rounding far: how far is seen where they are cut elsewhere, and nothing moves.
          const carried = 30 * furthest(otherCut);
          expect(furthest(moving)).toBeLessThan(Math.max(10 * rounding * largest, carried));
          if (alike >= 0) return;
          compared++;
          expect(relativeDistance(moving.picture, fixed.picture)).toBeLessThan(
            Math.max(rounding * largest, 30 * relativeDistance(otherCut.picture, fixed.picture)),
          );
        },
      ),
      { numRuns: 60 },
    );
    expect(planned > 0).toBe(moves);
    expect(compared).toBeGreaterThan(30);
  });

  it("ends at the serial chain when slices are lost while borders move", async () => {
    const slice = fc.integer({ min: 0, max: 3 });
    // Every slice is evaluated in the first rounds: whatever else is due, one is surely lost.
    const early = fc.record({ slice, round: fc.constantFrom(1, 2) });
    const late = fc.oneof(fc.integer({ min: 3, max: 9 }), fc.constant("finish" as const));
    const moving = fc.constantFrom("give" as const, "recut" as const);
    const round = moves ? fc.oneof(late, moving) : late;
    const others = fc.array(fc.record({ slice, round, answers: fc.boolean() }), { maxLength: 3 });
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(early, others, fc.integer({ min: 0, max: 1e6 }), async (sure, more, seed) => {
        const chain = toyChain({ steps: 12, method, seed });
        const inner = inProcess(4, 0.8);
        const serial = await solveSerial(chain, inner, 0, never);
        const host = new LossyHost(inner, [sure, ...more]);
        const borders = new RandomBorders(seed);
        const parts = { host, scan, operator: operatorOf(taskSamples[0]), borders };
        const solution = await solveTimeParallel(chain, exact, parts, never);
        expect(solution.converged).toBe(true);
        expect(solution.losses).toBeGreaterThan(0);
        lost += solution.losses;
        expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(
          // Mixing carries states farther away before they are exact.
          moves ? 2e-4 : 4e-3,
        );
      }),
      { numRuns: 40 },
    );
    expect(lost).toBeGreaterThan(40);
  });
});

it("falls back to plain iteration with borders moving all the while", async () => {
  let fallbacks = 0;
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const chain = toyChain({ steps: 10, method: "picard", seed });
    const host = new InProcessHost(new SliceEngine(brittleToy(0.5), { threads: 1 }), 4);
    const serial = await solveSerial(chain, host, 0, never);
    const parts = { host, scan, operator: operatorOf(taskSamples[0]), borders: new RandomBorders(seed) };
    const moving = await solveTimeParallel(chain, exact, parts, never);
    if (moving.fallback) fallbacks++;
    expect(moving.moved).toBeGreaterThan(0);
    expect(relativeDistance(moving.picture, serial.picture)).toBeLessThan(1e-3);
  }
  expect(fallbacks).toBeGreaterThan(0);
});

it("cuts a chain by the pace of its workers before anything was measured of it", async () => {
  const chain = toyChain({ steps: 14, method: "secant", seed: 3 });
  const inner = inProcess(3, 0.8);
  const lengths: number[] = [];
  const host: SliceHost = {
    width: 3,
    pace: (worker) => [3, 1, 1][worker],
    open: (spec, index, signal) => {
      lengths[index] = spec.end - spec.begin;
      return inner.open(spec, index, signal);
    },
  };
  const parts = { host, scan, operator: operatorOf(taskSamples[0]), borders: fixedBorders };
  const solution = await solveTimeParallel(chain, exact, parts, never);
  expect(lengths).toEqual([2, 6, 6]);
  const serial = await solveSerial(chain, inner, 0, never);
  expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(2e-4);
});

describe("over gRPC", () => {
  let fleet: SleepingFleet;
  beforeAll(async () => {
    fleet = await SleepingFleet.start(4, () => 0);
  });
  afterAll(() => fleet.close());

  it("gives the picture of borders that stay", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const chain = toyChain({ steps: 14, method: "secant", seed });
      const parts = { host: fleet.host(0, 4), scan, operator: operatorOf(taskSamples[0]) };
      const fixed = await solveTimeParallel(chain, exact, { ...parts, borders: fixedBorders }, never);
      const borders = new RandomBorders(seed);
      const moving = await solveTimeParallel(chain, exact, { ...parts, borders }, never);
      expect(moving.moved).toBeGreaterThan(0);
      expect(moving.rounds).toBe(fixed.rounds);
      expect(relativeDistance(moving.picture, fixed.picture)).toBeLessThan(1e-5);
    }
  });
});
