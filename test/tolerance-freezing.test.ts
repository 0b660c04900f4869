/** States that are kept once they are within tolerance: the rounds are the same wherever the chain is cut, all the more. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type BorderPolicy, fixedBorders } from "../coordinator/solver/border-watch.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { solveSerial, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import type { ChainSpec, SliceHost } from "../shared/chain/slice-host.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { LossyHost } from "./lossy-host.js";
import { RandomBorders } from "./random-borders.js";
import { relativeDistance } from "./seeded-values.js";
import { operatorOf, taskSamples } from "./task-samples.js";
import { toyChain } from "./toy-chain.js";
import { smoothToy } from "./toy-networks.js";

const never = new AbortController().signal;
const method = "paradigms";

let scan: PrefixScan;
beforeAll(() => {
  scan = new PrefixScan();
});
afterAll(() => scan.release());

const hostOf = (width: number, gain = 0.6): SliceHost =>
  new InProcessHost(new SliceEngine(smoothToy(gain), { threads: 1 }), width);

/** Rounds of a chain, and the states that were final after each. */
async function solved(
  chain: ChainSpec,
  host: SliceHost,
  limits: { readonly tolerance: number; readonly window: number; readonly maxRounds: number | undefined },
  borders: BorderPolicy = fixedBorders,
) {
  const done: number[] = [];
  const parts = { host, scan, operator: operatorOf(taskSamples[0]), borders };
  const solution = await solveTimeParallel(chain, limits, parts, never, (round) => done.push(round.done));
  return { ...solution, done };
}

it("does the same with a coarse tolerance however the chain is cut, and however borders move", async () => {
  let compared = 0;
  let slid = 0;
  let moved = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({ steps: fc.integer({ min: 8, max: 30 }), seed: fc.integer({ min: 0, max: 1e6 }) }),
      fc.integer({ min: 2, max: 20 }),
      fc.integer({ min: 3, max: 12 }),
      fc.option(fc.integer({ min: 2, max: 8 }), { nil: undefined }),
      fc.constantFrom(0.1, 0.3, 1),
      async (more, width, window, maxRounds, tolerance) => {
        const chain = toyChain({ ...more, method });
        const limits = { tolerance, window, maxRounds };
        const whole = await solved(chain, hostOf(1), limits);
        const cut = await solved(chain, hostOf(width), limits);
        const moving = await solved(chain, hostOf(width), limits, new RandomBorders(more.seed));
        // A chain that starts anew does so from other states where it is cut elsewhere.
        if (whole.fallback) return;
        // On which side of the tolerance a residual is may be up to rounding.
        if (new Set([whole, cut, moving].map(({ done }) => done.join())).size > 1) return;
        compared++;
        moved += moving.moved;
        slid += whole.done.filter((done, i) => done > (whole.done[i - 1] ?? 0) + 1).length;
        for (const other of [cut, moving]) {
          expect(other.rounds).toBe(whole.rounds);
          expect(relativeDistance(other.picture, whole.picture)).toBeLessThan(2e-4);
        }
      },
    ),
    { numRuns: 80 },
  );
  expect(compared).toBeGreaterThan(30);
  expect(slid).toBeGreaterThan(30);
  expect(moved).toBeGreaterThan(60);
});

it("converges near the serial chain when slices are lost, also those that the window has passed over", async () => {
  const loss = fc.record({
    slice: fc.integer({ min: 0, max: 7 }),
    round: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant("finish" as const)),
    correcting: fc.boolean(),
    answers: fc.boolean(),
  });
  let lost = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(loss, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 0, max: 1e6 }),
      async (losses, seed) => {
        const chain = toyChain({ steps: 16, method, seed });
        const inner = hostOf(8);
        const serial = await solveSerial(chain, inner, 0, never);
        const limits = { tolerance: 0.03, window: 8, maxRounds: undefined };
        const undisturbed = await solved(chain, inner, limits);
        const solution = await solved(chain, new LossyHost(inner, losses), limits);
        lost += solution.losses;
        expect(solution.converged).toBe(true);
        const distance = relativeDistance(undisturbed.picture, serial.picture);
        expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(0.05 + 3 * distance);
      },
    ),
    { numRuns: 60 },
  );
  expect(lost).toBeGreaterThan(20);
});
