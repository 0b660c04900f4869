/** However a chain is cut, rounds do the same to its states; and any method ends at the serial chain. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StepRange } from "../coordinator/solver/cut-chain.js";
import { OpenSlices } from "../coordinator/solver/open-slices.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { type SolveSettings, solveSerial, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { type MethodName, methodNames } from "../shared/chain/method.js";
import type { ChainSpec, Slice, SliceHost } from "../shared/chain/slice-host.js";
import { RetryableError } from "../shared/errors.js";
import type { StateSpace } from "../shared/kernels/state-space.js";
import type { NoiseEstimator } from "../worker/engine/network.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { type Loss, LossyHost } from "./lossy-host.js";
import { relativeDistance } from "./seeded-values.js";
import { operatorOf, taskSamples } from "./task-samples.js";
import { type ToyChainSettings, toyChain } from "./toy-chain.js";
import { affineToy, smoothToy } from "./toy-networks.js";

const never = new AbortController().signal;
const steps = fc.integer({ min: 1, max: 12 });
const samples = fc.constantFrom(...taskSamples.filter(({ size }) => size.height * size.width <= 64));
const weights = fc.constantFrom({ etw: 0, nw: 0 }, { etw: 0.85, nw: 0.85 });

const engineOf = (network: NoiseEstimator) => new SliceEngine(network, { threads: 1 });

let scan: PrefixScan;
beforeAll(() => {
  scan = new PrefixScan();
});
afterAll(() => scan.release());

/** Cuts `steps` at the places where `marks` are true. */
function cutAt(count: number, marks: readonly boolean[]): StepRange[] {
  const borders = [0, ...Array.from({ length: count - 1 }, (_, i) => i + 1).filter((i) => marks[i]), count];
  return borders.slice(1).map((end, i) => ({ begin: borders[i], end }));
}

/** Remembers the slices it opens, to read their states. */
class WatchedHost implements SliceHost {
  readonly width: number;
  readonly slices: Slice[] = [];
  readonly #inner: SliceHost;

  constructor(inner: SliceHost) {
    this.#inner = inner;
    this.width = inner.width;
  }

  async open(...given: Parameters<SliceHost["open"]>): Promise<Slice> {
    const slice = await this.#inner.open(...given);
    this.slices[given[1]] = slice;
    return slice;
  }
}

/**
 * Some rounds over given slices, each making one more state final: entry corrections follow from the reports by
 * delta_q = D delta_p + s, ahead or not. Returns all boundary states, by state, after the last correction.
 */
async function runRounds(
  chain: ChainSpec,
  ranges: readonly StepRange[],
  rounds: number,
  engine: SliceEngine,
  operator: StateSpace,
  correctAhead = false,
): Promise<{ boundaries: Map<number, Float32Array>; bothSides: Map<number, Float32Array> }> {
  const host = new WatchedHost(new InProcessHost(engine, ranges.length));
  const slices = await OpenSlices.open(chain, ranges, host, never);
  const boundaryScan = await scan.open(operator, ranges.length);
  let corrections: (Float32Array | undefined)[] = [];
  for (let round = 1; round <= rounds + 1; round++) {
    const correctFrom = round === 1 ? undefined : round - 2;
    const evaluateFrom = round <= rounds ? round - 1 : chain.schedule.steps;
    const { reports } = await slices.round(
      {
        round,
        correctFrom,
        evaluateFrom,
        evaluateTo: chain.schedule.steps,
        forget: false,
        plain: false,
        restart: false,
        correctAhead,
      },
      corrections,
      never,
    );
    corrections = [];
    let entry: Float32Array | undefined;
    for (const [index, { exit, transfer }] of reports.entries()) {
      corrections.push(entry);
      entry = exit && (await boundaryScan.advance(index, entry, exit, transfer));
    }
  }
  boundaryScan.close();
  const boundaries = new Map<number, Float32Array>();
  const bothSides = new Map<number, Float32Array>();
  for (const [index, { begin, end }] of ranges.entries()) {
    bothSides.set(begin, await host.slices[index].readState("entry", never));
    boundaries.set(end, await host.slices[index].readState("exit", never));
  }
  return { boundaries, bothSides };
}

const networks = fc.oneof(
  fc
    .double({ min: 0.1, max: 1.5, noNaN: true })
    .map((gain) => ({ label: `smooth ${gain}`, network: smoothToy(gain) })),
  fc.integer({ min: 0, max: 1e6 }).map((seed) => ({ label: `affine ${seed}`, network: affineToy(seed) })),
);

describe.each(methodNames)("method %s", (method: MethodName) => {
  // Anderson mixing may carry states far away before they are exact; the cancellation costs digits of float32.
  const exactness = method === "deqir" ? 1e-3 : 1e-4;
  // A correction that is carried on whole leaves more of its rounding behind.
  const rounding = method === "paradigms" ? 5e-4 : 1e-5;
  const settings = (more: Omit<ToyChainSettings, "method">): ToyChainSettings => ({ method, ...more });

  it("any cut of the chain gives the same states, round by round", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ steps, sample: samples, weights, seed: fc.integer({ min: 0, max: 1e6 }) }),
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.double({ min: 0.1, max: 1.5, noNaN: true }),
        async (more, marks, someRounds, gain) => {
          const chain = toyChain(settings(more));
          const rounds = Math.min(someRounds, more.steps);
          const engine = engineOf(smoothToy(gain));
          const operator = operatorOf(more.sample);
          const every = cutAt(more.steps, new Array<boolean>(12).fill(true));
          const finest = await runRounds(chain, every, rounds, engine, operator);
          const cuts = [cutAt(more.steps, marks), cutAt(more.steps, [])];
          for (const [ranges, ahead] of cuts.flatMap((cut) => [
            [cut, false] as const,
            [cut, true] as const,
          ])) {
            const { boundaries, bothSides } = await runRounds(chain, ranges, rounds, engine, operator, ahead);
            for (const [state, picture] of boundaries) {
              expect(relativeDistance(picture, finest.boundaries.get(state) ?? [])).toBeLessThan(rounding);
              const copy = bothSides.get(state);
              if (copy) expect(relativeDistance(copy, picture)).toBeLessThan(rounding);
            }
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it("ends within T rounds at the serial chain, for any number of slices", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ steps, sample: samples, weights, seed: fc.integer({ min: 0, max: 1e6 }) }),
        fc.integer({ min: 1, max: 12 }),
        networks,
        async (more, width, { network }) => {
          const chain = toyChain(settings(more));
          const host = new InProcessHost(engineOf(network), width);
          const serial = await solveSerial(chain, host, 0, never);
          expect(serial.evaluations).toBe(more.steps);
          // A tolerance no residual meets: only finite termination ends the loop.
          const exact = { tolerance: 1e-12, maxRounds: undefined };
          const parts = { host, scan, operator: operatorOf(more.sample) };
          const solution = await solveTimeParallel(chain, exact, parts, never);
          expect(solution.rounds).toBeLessThanOrEqual(more.steps);
          expect(solution.converged).toBe(true);
          // The farther rounds carried states away before they were exact, the more digits of float32 cancel.
          const farthest = Math.max(1, ...solution.residuals.map((ratio) => ratio * exact.tolerance));
          const digits = method === "deqir" ? 5e-5 : 1e-6;
          expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(digits * farthest);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("stops early once the residual of the whole chain is below tolerance, near the serial chain", async () => {
    const chain = toyChain(settings({ steps: 12 }));
    const host = new InProcessHost(engineOf(smoothToy(0.4)), 3);
    const serial = await solveSerial(chain, host, 0, never);
    const parts = { host, scan, operator: operatorOf(taskSamples[0]) };
    const seen: number[] = [];
    const solution = await solveTimeParallel(
      chain,
      { tolerance: 0.05, maxRounds: undefined, window: 12 },
      parts,
      never,
      ({ round, largestRatio }) => {
        expect(round).toBe(seen.length + 1);
        seen.push(largestRatio);
      },
    );
    expect(solution.rounds).toBeLessThan(12);
    expect(solution.residuals).toEqual(seen);
    expect(seen.at(-1)).toBeLessThanOrEqual(1);
    expect(seen.slice(0, -1).every((ratio) => ratio > 1)).toBe(true);
    expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(0.1);
  });

  it("does as many rounds as are allowed, and says that it has not converged", async () => {
    const network = smoothToy(1);
    const host = new InProcessHost(engineOf(network), 3);
    const parts = { host, scan, operator: operatorOf(taskSamples[0]) };
    const chain = toyChain(settings({ steps: 10 }));
    const solution = await solveTimeParallel(chain, { tolerance: 1e-9, maxRounds: 2 }, parts, never);
    expect(solution).toMatchObject({ rounds: 2, converged: false, losses: 0 });
    expect(solution.evaluations).toBe(network.evaluations);
  });

  it("survives lost slices, wherever and whenever they are lost, and ends at the serial chain", async () => {
    const losses = fc.array(
      fc.record({
        slice: fc.integer({ min: 0, max: 3 }),
        round: fc.integer({ min: 1, max: 9 }),
        correcting: fc.boolean(),
        answers: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(losses, fc.integer({ min: 0, max: 1e6 }), async (some, seed) => {
        const chain = toyChain(settings({ steps: 10, seed }));
        const inner = new InProcessHost(engineOf(smoothToy(0.8)), 4);
        const serial = await solveSerial(chain, inner, 0, never);
        const host = new LossyHost(inner, some);
        const parts = { host, scan, operator: operatorOf(taskSamples[0]) };
        const exact = { tolerance: 1e-12, maxRounds: undefined };
        const solution = await solveTimeParallel(chain, exact, parts, never);
        expect(solution.converged).toBe(true);
        expect(host.opened).toBeGreaterThanOrEqual(4 + solution.losses);
        expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(2 * exactness);
      }),
      { numRuns: 30 },
    );
  });

  it("goes on if the last slice is lost after the last round, and again after the round that replaced it", async () => {
    const inner = new InProcessHost(engineOf(smoothToy(0.8)), 3);
    const chain = toyChain(settings({ steps: 6 }));
    const serial = await solveSerial(chain, inner, 0, never);
    const solvedWith = async (losses: readonly Loss[], limits: SolveSettings) => {
      const parts = { host: new LossyHost(inner, losses), scan, operator: operatorOf(taskSamples[0]) };
      return solveTimeParallel(chain, limits, parts, never);
    };
    const last: Loss = { slice: 2, round: "finish" };
    for (const tolerance of [1e-12, 1e-3]) {
      const limits = { tolerance, maxRounds: undefined };
      const whole = await solvedWith([], limits);
      const twice = await solvedWith([last, last], limits);
      expect(twice).toMatchObject({ converged: true, losses: 2 });
      expect(twice.rounds).toBeGreaterThanOrEqual(whole.rounds + 2);
      expect(relativeDistance(twice.picture, serial.picture)).toBeLessThan(
        2 * exactness + relativeDistance(whole.picture, serial.picture),
      );
    }
    // Rounds that are limited are one more then.
    const limited = await solvedWith([last], { tolerance: 1e-12, maxRounds: 3 });
    expect(limited).toMatchObject({ rounds: 4, losses: 1 });
  });

  it("hands the picture back if the last slice is lost again and again after the last round", async () => {
    const inner = new InProcessHost(engineOf(smoothToy(0.8)), 3);
    const losses = new Array<Loss>(20).fill({ slice: 2, round: "finish" });
    const parts = { host: new LossyHost(inner, losses), scan, operator: operatorOf(taskSamples[0]) };
    const limits = { tolerance: 1e-3, maxRounds: undefined };
    const solving = solveTimeParallel(toyChain(settings({ steps: 6 })), limits, parts, never);
    await expect(solving).rejects.toThrow(RetryableError);
  });
});
