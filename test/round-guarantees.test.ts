/** What every method promises of every round, whatever the network does; and that a method which fails is given up. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PhotoName, photoTasks } from "../bench/photo-chain.js";
import { PhotoSolver } from "../bench/photo-solver.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { type RoundProgress, type Solution, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { isPlain, type MethodName, methodNames, methods } from "../shared/chain/method.js";
import type { ChainSpec, RoundCommand, SliceHost } from "../shared/chain/slice-host.js";
import { PictureError } from "../shared/errors.js";
import type { NoiseEstimator } from "../worker/engine/network.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { priorPath } from "./in-process-fleet.js";
import { relativeDistance } from "./seeded-values.js";
import { operatorOf, type TaskSample, taskSamples } from "./task-samples.js";
import { toyChain } from "./toy-chain.js";
import { affineToy, brittleToy, roughToy, smoothToy } from "./toy-networks.js";
import { WatchedHost, type WatchedRound } from "./watched-host.js";

const never = new AbortController().signal;
/** A tolerance that no residual meets: the rounds go on until every state is final. */
const toTheEnd = { tolerance: 1e-12, maxRounds: undefined };

/** The same, with all steps in the window whatever the method. */
const atOnce = { ...toTheEnd, window: 10 };

let scan: PrefixScan;
beforeAll(() => {
  scan = new PrefixScan();
});
afterAll(() => scan.release());

const hostOf = (network: NoiseEstimator, width: number): SliceHost =>
  new InProcessHost(new SliceEngine(network, { threads: 1 }), width);

/** States 1..T of the serial chain. */
async function serialStates(chain: ChainSpec, host: SliceHost): Promise<Map<number, Float32Array>> {
  const states = new Map<number, Float32Array>();
  for (let end = 1; end <= chain.schedule.steps; end++) {
    const slice = await host.open({ chain, begin: 0, end, seeds: undefined }, 0, never);
    states.set(end, (await slice.serial(never)).exit);
    await slice.close();
  }
  return states;
}

/** Corrections carry states away by as much as the residuals say, and take the digits of float32 with them. */
const digitsLost = ({ residuals }: Solution): number =>
  Math.max(1, ...residuals.map((ratio) => (Number.isFinite(ratio) ? ratio * toTheEnd.tolerance : 1)));

/** A round never makes a frozen state worse, and makes one more state exact. */
function expectProgress(
  rounds: readonly WatchedRound[],
  serial: ReadonlyMap<number, Float32Array>,
  exactness: number,
): void {
  const frozen = new Map<number, Float32Array>();
  let last = 0;
  for (const [k, { command, states }] of rounds.entries()) {
    expect(command.evaluateFrom, "a final state was given up").toBeGreaterThanOrEqual(last);
    if (k > 0) expect(command.evaluateFrom).toBeGreaterThan(last);
    last = command.evaluateFrom;
    for (const [state, picture] of states) {
      const exact = serial.get(state);
      if (!exact || state > command.evaluateFrom) continue;
      expect(relativeDistance(picture, exact), `state ${state} in round ${k + 1}`).toBeLessThan(exactness);
      const before = frozen.get(state);
      if (before) expect(picture).toEqual(before);
      frozen.set(state, picture);
    }
  }
}

const networks = fc.oneof(
  fc
    .double({ min: 0.1, max: 1.5, noNaN: true })
    .map((gain) => ({ label: `smooth ${gain}`, network: smoothToy(gain) })),
  fc.integer({ min: 0, max: 1e6 }).map((seed) => ({ label: `affine ${seed}`, network: affineToy(seed) })),
);
const samples: readonly TaskSample[] = taskSamples.filter(({ size }) => size.height * size.width <= 64);
const chains = fc.record({
  steps: fc.integer({ min: 1, max: 10 }),
  sample: fc.constantFrom(...samples),
  weights: fc.constantFrom({ etw: 0, nw: 0 }, { etw: 0.85, nw: 0.85 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

describe.each(methodNames)("method %s", (method: MethodName) => {
  const digits = method === "deqir" ? 2e-3 : 5e-6;

  it("never makes a frozen state worse, and freezes at least one more exact state a round", async () => {
    await fc.assert(
      fc.asyncProperty(
        chains,
        fc.integer({ min: 1, max: 10 }),
        fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
        networks,
        async (more, width, window, { network }) => {
          const chain = toyChain({ ...more, method });
          const host = new WatchedHost(hostOf(network, width));
          const serial = await serialStates(chain, host);
          const parts = { host, scan, operator: operatorOf(more.sample) };
          const solution = await solveTimeParallel(chain, { ...toTheEnd, window }, parts, never);
          expect(solution.rounds).toBeLessThanOrEqual(more.steps);
          expect(solution.converged).toBe(true);
          expectProgress(host.rounds, serial, digits * digitsLost(solution));
          expect(relativeDistance(solution.picture, serial.get(more.steps) ?? [])).toBeLessThan(
            digits * digitsLost(solution),
          );
        },
      ),
      { numRuns: 25 },
    );
  });

  it("evaluates inside its window only; window 1 is the serial chain", async () => {
    await fc.assert(
      fc.asyncProperty(
        chains,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 12 }),
        fc.double({ min: 0.1, max: 1.5, noNaN: true }),
        async (more, width, window, gain) => {
          const chain = toyChain({ ...more, method });
          const network = smoothToy(gain);
          const parts = { host: hostOf(network, width), scan, operator: operatorOf(more.sample) };
          const sliding = await solveTimeParallel(chain, { ...toTheEnd, window }, parts, never);
          expect(sliding.evaluations).toBe(network.evaluations);
          expect(sliding.evaluations).toBeLessThanOrEqual(sliding.rounds * window);
          const serial = (await serialStates(chain, parts.host)).get(more.steps) ?? [];
          const one = await solveTimeParallel(chain, { ...toTheEnd, window: 1 }, parts, never);
          expect(one).toMatchObject({ rounds: more.steps, evaluations: more.steps });
          expect(relativeDistance(one.picture, serial)).toBeLessThan(1e-5);
        },
      ),
      { numRuns: 15 },
    );
  });

  it("does the same with a window however the chain is cut", async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(
        chains,
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        async (more, width, window, maxRounds) => {
          const chain = toyChain({ ...more, method });
          const operator = operatorOf(more.sample);
          const solvedBy = async (slices: number) => {
            const done: number[] = [];
            const parts = { host: hostOf(smoothToy(0.6), slices), scan, operator };
            const limits = { tolerance: 1e-12, maxRounds, window };
            const note = (progress: RoundProgress) => done.push(progress.done);
            return { ...(await solveTimeParallel(chain, limits, parts, never, note)), done };
          };
          const [whole, cut] = [await solvedBy(1), await solvedBy(width)];
          // Whether a residual vanishes altogether, which makes a state final and shifts the window, is up to rounding.
          if (whole.done.join() !== cut.done.join()) return;
          compared++;
          // Coefficients of a mixture are quotients of small sums: they magnify how those were rounded.
          const magnified = methods[method].mixing ? 10 : 1;
          expect(relativeDistance(cut.picture, whole.picture)).toBeLessThan(
            magnified * digits * digitsLost(whole),
          );
        },
      ),
      { numRuns: 20 },
    );
    expect(compared).toBeGreaterThan(10);
  });

  it("survives a network that overflows off the chain's path, and ends at the serial chain", async () => {
    let overflows = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 10 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 1e6 }),
        async (steps, width, seed) => {
          const chain = toyChain({ steps, method, seed });
          const host = new WatchedHost(hostOf(brittleToy(0.5), width));
          const serial = await serialStates(chain, host);
          const parts = { host, scan, operator: operatorOf(taskSamples[0]) };
          const solution = await solveTimeParallel(chain, toTheEnd, parts, never);
          expect(solution.rounds).toBeLessThanOrEqual(steps);
          if (solution.fallback) overflows++;
          // What overflowed was started anew and lost no digits; what came near it did.
          expectProgress(host.rounds, serial, 1e-3);
          expect(relativeDistance(solution.picture, serial.get(steps) ?? [])).toBeLessThan(1e-3);
        },
      ),
      { numRuns: 15 },
    );
    // Methods that hold the noise estimate overshoot so far from copies of z_0; the others stay closer.
    if (isPlain({ ...methods[method], mixing: undefined })) expect(overflows).toBeGreaterThan(0);
  });

  it("survives corrections that are not finite, and says so", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 5 }),
        fc.integer({ min: 0, max: 1e6 }),
        fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY),
        async (round, seed, broken) => {
          const chain = toyChain({ steps: 10, method, seed });
          // As a mixture with unlucky coefficients would: states that are not exact yet are lost.
          const poison = (command: RoundCommand): RoundCommand =>
            command.round === round && command.correction
              ? { ...command, correction: command.correction.map(() => broken) }
              : command;
          const poisoned = new WatchedHost(hostOf(smoothToy(0.8), 2), (command, { begin }) =>
            command.correctFrom !== undefined && command.correctFrom + 1 < begin ? poison(command) : command,
          );
          const serial = await serialStates(chain, poisoned);
          const parts = { host: poisoned, scan, operator: operatorOf(taskSamples[0]) };
          const solution = await solveTimeParallel(chain, atOnce, parts, never);
          const reached = poisoned.rounds[round - 1].command.correctFrom ?? 10;
          if (reached + 1 < 5) {
            expect(solution.fallback).toEqual({ round, reason: "not-finite" });
            expect(solution.residuals[round - 1]).toBe(Number.POSITIVE_INFINITY);
          }
          expect(solution.rounds).toBeLessThanOrEqual(10);
          expect(relativeDistance(solution.picture, serial.get(10) ?? [])).toBeLessThan(
            digits * digitsLost(solution),
          );
        },
      ),
      { numRuns: 10 },
    );
  });

  it("still blames a network that does not answer what it must", async () => {
    const network = smoothToy(0.5);
    const broken: NoiseEstimator = {
      card: network.card,
      evaluate: async (x, timesteps, size, out) => {
        await network.evaluate(x, timesteps, size, out);
        const pixels = 3 * size.height * size.width;
        for (const [i, t] of timesteps.entries()) if (t === 500) out[i * pixels] = Number.NaN;
      },
    };
    const parts = { host: hostOf(broken, 3), scan, operator: operatorOf(taskSamples[0]) };
    const solving = solveTimeParallel(toyChain({ steps: 10, method }), atOnce, parts, never);
    await expect(solving).rejects.toThrow(PictureError);
    const again = solveTimeParallel(toyChain({ steps: 10, method }), atOnce, parts, never);
    await expect(again).rejects.toThrow(/noise estimate is not finite in round 1 at timestep 500/);
  });
});

describe("a network that no method can learn from", () => {
  it.each(["deqir", "secant"] as const)(
    "%s is given up for plain iteration, which ends the chain",
    async (method) => {
      const chain = toyChain({ steps: 30, method });
      const host = new WatchedHost(hostOf(roughToy(8), 6));
      const serial = await serialStates(chain, host);
      const parts = { host, scan, operator: operatorOf(taskSamples[0]) };
      const solution = await solveTimeParallel(chain, toTheEnd, parts, never);
      const { round = Number.POSITIVE_INFINITY, reason } = solution.fallback ?? {};
      expect(reason).toMatch(/stalled|diverged/);
      expect(host.rounds.map(({ command }) => command.plain)).toEqual(host.rounds.map((_, k) => k >= round));
      expect(solution.rounds).toBeLessThanOrEqual(30);
      expectProgress(host.rounds, serial, 1e-2);
    },
  );
});

describe("on the packaged prior", () => {
  let solver: PhotoSolver;
  beforeAll(async () => {
    solver = await PhotoSolver.load(priorPath);
  });
  afterAll(() => solver.release());

  it.each(methodNames)(
    "method %s: frozen states stay, one more is exact each round, window 1 is serial",
    async (method) => {
      const photo: PhotoName = "rocket";
      const settings = { photo, size: 32, task: photoTasks[0], method, steps: 8 };
      const host = new WatchedHost(solver.host(8));
      const serial = await solver.serialPicture(settings);
      const solution = await solver.timeParallel(settings, toTheEnd, host);
      const exact = new Map([[8, serial]]);
      expectProgress(host.rounds, exact, 1e-3);
      expect(relativeDistance(solution.picture, serial)).toBeLessThan(1e-3);
      const one = await solver.timeParallel(settings, { ...toTheEnd, window: 1 }, solver.host(3));
      expect(one).toMatchObject({ rounds: 8, evaluations: 8 });
      expect(relativeDistance(one.picture, serial)).toBeLessThan(1e-5);
    },
  );
});
