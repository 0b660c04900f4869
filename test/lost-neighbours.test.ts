/** A slice is replaced even where the neighbours that its states are read from have died since they reported. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixedBorders } from "../coordinator/solver/border-watch.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { type Solution, solveSerial, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { type MethodName, methodNames } from "../shared/chain/method.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { type Loss, LossyHost } from "./lossy-host.js";
import { relativeDistance } from "./seeded-values.js";
import { operatorOf, taskSamples } from "./task-samples.js";
import { toyChain } from "./toy-chain.js";
import { brittleToy, smoothToy } from "./toy-networks.js";

const never = new AbortController().signal;

let scan: PrefixScan;
beforeAll(() => {
  scan = new PrefixScan();
});
afterAll(() => scan.release());

/** Solves 10 steps on 4 workers, to the end: slices [0, 2), [2, 5), [5, 7) and [7, 10). */
async function solved(
  method: MethodName,
  losses: readonly Loss[],
  window?: number,
  next?: SliceHost["next"],
): Promise<Solution & { readonly distance: number; readonly opened: number }> {
  const chain = toyChain({ steps: 10, method, seed: 5 });
  const inner = new InProcessHost(new SliceEngine(smoothToy(0.8), { threads: 1 }), 4);
  const serial = await solveSerial(chain, inner, 0, never);
  const lossy = new LossyHost(inner, losses);
  const host: SliceHost = { width: 4, next, open: (...given) => lossy.open(...given) };
  const parts = { host, scan, operator: operatorOf(taskSamples[0]), borders: fixedBorders };
  const solution = await solveTimeParallel(
    chain,
    { tolerance: 1e-12, maxRounds: undefined, window },
    parts,
    never,
  );
  expect(solution.converged).toBe(true);
  return {
    ...solution,
    distance: relativeDistance(solution.picture, serial.picture),
    opened: lossy.opened,
  };
}

describe.each(methodNames)("method %s", (method) => {
  const lost = (slice: number): Loss => ({ slice, round: 2 });
  const answers = (slice: number): Loss => ({ slice, round: 2, answers: true });

  it.each([
    ["the left one", [answers(1), lost(2)]],
    ["the right one", [lost(1), answers(2)]],
    ["both", [answers(0), lost(1), answers(2)]],
    ["all others", [answers(0), answers(1), answers(2), lost(3)]],
    ["all beyond it", [lost(0), answers(1), answers(2), answers(3)]],
  ])("replaces a slice and the neighbours that died after they reported: %s", async (_, losses) => {
    const { losses: counted, opened, residuals, picture } = await solved(method, losses, 10);
    expect(counted).toBe(losses.length);
    expect(opened).toBe(4 + losses.length);
    // What they reported counts as little as if they had died before.
    const outright = losses.map((loss) => ({ ...loss, answers: false }));
    const silent = await solved(method, outright, 10);
    expect({ residuals, picture }).toEqual({ residuals: silent.residuals, picture: silent.picture });
  });
});

describe("slices at rest", () => {
  // The window of one step leaves slice 0 at rest after round 3, and slice 1 after round 6.
  const dead: Loss[] = [
    { slice: 0, round: 3, answers: true },
    { slice: 1, round: 6, answers: true },
  ];

  it("are made again if they died with all that had the state the first slice starts from", async () => {
    const one = await solved("secant", [dead[0], { slice: 1, round: 4 }], 1);
    expect(one).toMatchObject({ losses: 2, opened: 6 });
    expect(one.distance).toBeLessThan(2e-4);
    const two = await solved("secant", [...dead, { slice: 2, round: 7 }], 1);
    expect(two).toMatchObject({ losses: 3, opened: 7 });
    expect(two.distance).toBeLessThan(2e-4);
  });

  it("are not missed if the first slice still has that state", async () => {
    const { losses, opened } = await solved("secant", [...dead, { slice: 3, round: 8 }], 1);
    expect({ losses, opened }).toEqual({ losses: 1, opened: 5 });
  });

  it("stay while the state they had may have to be made again", async () => {
    const left: number[] = [];
    const next = { waits: () => true, leave: (worker: number) => left.push(worker) };
    // Slice 1 dies when it has answered round 3, and nobody has noticed when the chain after this one wants worker 0.
    const losses = [dead[0], { slice: 1, round: 3, answers: true }];
    const { losses: counted, distance } = await solved("secant", losses, 1, next);
    expect(counted).toBe(2);
    expect(distance).toBeLessThan(2e-4);
    expect(left).toEqual([0, 1, 2]);
  });
});

describe("a chain that starts anew", () => {
  const chain = toyChain({ steps: 10, method: "picard", seed: 2 });
  const inner = new InProcessHost(new SliceEngine(brittleToy(0.5), { threads: 1 }), 4);
  const limits = { tolerance: 1e-12, maxRounds: undefined };
  const solvedOn = (host: SliceHost) =>
    solveTimeParallel(chain, limits, { host, scan, operator: operatorOf(taskSamples[0]) }, never);

  it.each<[string, Omit<Loss, "round">]>([
    ["the slice with its first step died before it was told", { slice: 0, answers: true }],
    ["the second slice died in the round that overflowed", { slice: 1 }],
    ["the third did", { slice: 2 }],
    ["the last did", { slice: 3 }],
  ])("survives that %s", async (_, loss) => {
    const { fallback } = await solvedOn(inner);
    const round = fallback?.round ?? 0;
    expect(round).toBeGreaterThan(0);
    const solution = await solvedOn(new LossyHost(inner, [{ ...loss, round }]));
    expect(solution).toMatchObject({ converged: true, fallback });
    expect(solution.losses).toBeGreaterThan(0);
    const serial = await solveSerial(chain, inner, 0, never);
    expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(1e-3);
  });
});
