/** What it means that the plans give one picture: bounds that hold for every task, method, T and number of workers. */
import { expect } from "vitest";
import { clampedPsnr, photoNames, photoTasks } from "../bench/photo-chain.js";
import type { PhotoChainSettings, PhotoSolver } from "../bench/photo-solver.js";
import { fixedBorders } from "../coordinator/solver/border-watch.js";
import { type MethodName, methodNames, methods } from "../shared/chain/method.js";
import { defaultTolerance } from "../shared/config/restore-settings.js";
import { relativeDistance } from "./seeded-values.js";

/** dB between the time-parallel and the serial picture at the default tolerance, at least. */
const enough = 50;

/** Numbers of workers the chains are cut for. */
export const workerCounts = [1, 2, 3, 4] as const;

/**
 * What a method is given. One that keeps states as soon as they are within tolerance needs a smaller one: what each state
 * lacks adds up along the chain.
 */
const asIs = (method: MethodName) => ({
  tolerance: methods[method].freeze === "exact" ? defaultTolerance : 1e-4,
  maxRounds: undefined,
});
/** A tolerance that no residual meets: the rounds go on until every state is final. */
const toTheEnd = { tolerance: 1e-12, maxRounds: undefined };

/** A chain and how many workers share it. */
export interface SharedChain extends PhotoChainSettings {
  readonly workers: number;
}

/**
 * Every task with every method, T = `steps`; photographs and numbers of workers take turns, so that each number meets
 * each method and each task.
 * @param turn shifts the turns, so that another list pairs them differently
 */
export function rotatedChains(size: number, steps: number, turn: number): SharedChain[] {
  return photoTasks.flatMap((task, t) =>
    methodNames.map((method, m) => ({
      size,
      steps,
      task,
      method,
      photo: photoNames[(t + turn) % photoNames.length],
      workers: workerCounts[(t + m + turn) % workerCounts.length],
    })),
  );
}

/** At its tolerance the picture is within {@link enough} dB of the serial one. */
export async function expectEqualPicture(
  solver: PhotoSolver,
  { workers, ...settings }: SharedChain,
): Promise<void> {
  const serial = await solver.serialPicture(settings);
  const solution = await solver.timeParallel(settings, asIs(settings.method), solver.host(workers));
  expect(solution.converged).toBe(true);
  expect(clampedPsnr(solution.picture, serial), `${workers} workers`).toBeGreaterThanOrEqual(enough);
}

/** After two rounds it is not yet: a comparison that the first rounds passed would say nothing of the last. */
export async function expectUnequalEarly(
  solver: PhotoSolver,
  { workers, ...settings }: SharedChain,
): Promise<void> {
  const serial = await solver.serialPicture(settings);
  const { picture } = await solver.timeParallel(
    settings,
    { ...asIs(settings.method), maxRounds: 2 },
    solver.host(workers),
  );
  expect(clampedPsnr(picture, serial)).toBeLessThan(enough);
}

/** With as many rounds as it takes, T at most, plain iteration ends at the serial picture itself. */
export async function expectExactPicture(
  solver: PhotoSolver,
  { workers, ...settings }: SharedChain,
): Promise<void> {
  const serial = await solver.serialPicture(settings);
  const found = await solver.timeParallel(settings, toTheEnd, solver.host(workers));
  expect(found.converged).toBe(true);
  expect(relativeDistance(found.picture, serial), `${workers} workers`).toBeLessThan(1e-4);
}

const bytes = (picture: Float32Array) => Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength);

/** Two runs give the same bytes, where the borders stay: moves follow measured times. */
export async function expectSameBytesAgain(
  solver: PhotoSolver,
  { workers, ...settings }: SharedChain,
): Promise<void> {
  const run = async () =>
    (
      await solver.timeParallel(
        settings,
        asIs(settings.method),
        solver.host(workers),
        undefined,
        fixedBorders,
      )
    ).picture;
  expect(bytes(await run()).equals(bytes(await run()))).toBe(true);
}

/** The serial plan gives the same bytes on any worker of any host, and with another session of the network. */
export async function expectSameBytesAnywhere(
  solver: PhotoSolver,
  another: PhotoSolver,
  settings: PhotoChainSettings,
): Promise<void> {
  const first = await solver.serialPicture(settings);
  for (const workers of workerCounts) {
    const { picture } = await solver.serial(settings, solver.host(workers), workers - 1);
    expect(bytes(picture).equals(bytes(first)), `worker ${workers} of ${workers}`).toBe(true);
  }
  const { picture } = await another.serial(settings, another.host(2), 1);
  expect(bytes(picture).equals(bytes(first)), "another network session").toBe(true);
}
