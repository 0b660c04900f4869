/** The plans give one picture, 128x128, on the packaged prior: every task, methods and numbers of workers in turn. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PhotoSolver } from "../bench/photo-solver.js";
import { methodNames } from "../shared/chain/method.js";
import { priorPath } from "./in-process-fleet.js";
import { expectEqualPicture, expectExactPicture, rotatedChains } from "./picture-equality.js";

let solver: PhotoSolver;
beforeAll(async () => {
  solver = await PhotoSolver.load(priorPath);
});
afterAll(() => solver.release());

/** One method a task. */
const chains = rotatedChains(128, 10, 1).filter((_, i) => {
  const [task, method] = [Math.floor(i / methodNames.length), i % methodNames.length];
  return method === task % methodNames.length;
});

it("the turns leave out no task, no method and no number of workers", () => {
  expect(new Set(chains.map(({ task }) => task.task)).size).toBe(8);
  expect(new Set(chains.map(({ method }) => method)).size).toBe(methodNames.length);
  expect(new Set(chains.map(({ workers }) => workers)).size).toBe(4);
});

describe.each(chains)("T = 10: $task.task, $method, $workers workers, $photo", (chain) => {
  it("within 50 dB of the serial picture", async () => {
    await expectEqualPicture(solver, chain);
  });
});

it("T = 25: inpaint, secant, 4 workers: within 50 dB of the serial picture", async () => {
  const task = { task: "inpaint" } as const;
  await expectEqualPicture(solver, {
    size: 128,
    steps: 25,
    task,
    method: "secant",
    photo: "chelsea",
    workers: 4,
  });
});

it("plain iteration to the end gives the serial picture", async () => {
  await expectExactPicture(solver, chains.find(({ method }) => method === "picard")!);
});
