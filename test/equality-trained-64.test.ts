/** The plans give one picture, 64x64, on the packaged prior: every task and method, T = 10, numbers of workers in turn. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PhotoSolver } from "../bench/photo-solver.js";
import { methodNames } from "../shared/chain/method.js";
import { priorPath } from "./in-process-fleet.js";
import {
  expectEqualPicture,
  expectExactPicture,
  expectSameBytesAgain,
  expectSameBytesAnywhere,
  expectUnequalEarly,
  rotatedChains,
  type SharedChain,
} from "./picture-equality.js";

let solver: PhotoSolver;
beforeAll(async () => {
  solver = await PhotoSolver.load(priorPath);
});
afterAll(() => solver.release());

const chains = rotatedChains(64, 10, 0);

it("the turns pair every number of workers with every method and task", () => {
  const all = [...chains, ...rotatedChains(64, 25, 3)];
  const pairs = (of: (chain: SharedChain) => string) =>
    new Set(all.map((chain) => `${of(chain)} on ${chain.workers}`)).size;
  expect(pairs(({ method }) => method)).toBe(methodNames.length * 4);
  expect(pairs(({ task }) => task.task)).toBe(8 * 4);
});

describe.each(chains)("$task.task, $method, $workers workers, $photo", (chain) => {
  it("within 50 dB of the serial picture", async () => {
    await expectEqualPicture(solver, chain);
  });
});

describe.each(chains.filter(({ method }) => method === "picard"))("$task.task, $workers workers", (chain) => {
  it("plain iteration to the end gives the serial picture", async () => {
    await expectExactPicture(solver, chain);
  });
});

describe.each(methodNames)("%s on 3 workers", (method) => {
  const chain = chains.find((candidate) => candidate.method === method && candidate.workers === 3)!;

  it("not within 50 dB after two rounds", async () => {
    await expectUnequalEarly(solver, chain);
  });

  it("two runs are the same", async () => {
    await expectSameBytesAgain(solver, chain);
  });
});

it("the serial picture is the same wherever the chain runs", async () => {
  const another = await PhotoSolver.load(priorPath);
  await expectSameBytesAnywhere(solver, another, chains[0]!);
  await another.release();
});
