/** The plans give one picture, 64x64, on the packaged prior: every task and method, T = 25, numbers of workers in turn. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { PhotoSolver } from "../bench/photo-solver.js";
import { priorPath } from "./in-process-fleet.js";
import { expectEqualPicture, expectExactPicture, rotatedChains } from "./picture-equality.js";

let solver: PhotoSolver;
beforeAll(async () => {
  solver = await PhotoSolver.load(priorPath);
});
afterAll(() => solver.release());

describe.each(rotatedChains(64, 25, 3))("$task.task, $method, $workers workers, $photo", (chain) => {
  it("within 50 dB of the serial picture", async () => {
    await expectEqualPicture(solver, chain);
  });
});

it("plain iteration to the end gives the serial picture", async () => {
  const chain = rotatedChains(64, 25, 0).find(
    ({ task, method }) => task.task === "inpaint" && method === "picard",
  );
  await expectExactPicture(solver, chain!);
});
