/**
 * The plans give one picture: every task, method, T and number of workers, on photographs. The prior is
 * a closed-form denoiser, which is nonlinear as a trained one is and cheap enough for the full matrix.
 */
import { afterAll, beforeAll, describe, it } from "vitest";
import { photoTasks } from "../bench/photo-chain.js";
import { PhotoSolver } from "../bench/photo-solver.js";
import { type MethodName, methodNames } from "../shared/chain/method.js";
import { ModelFolder } from "./models.js";
import {
  expectEqualPicture,
  expectExactPicture,
  expectSameBytesAgain,
  expectSameBytesAnywhere,
  expectUnequalEarly,
  workerCounts,
} from "./picture-equality.js";
import { shrinkagePrior } from "./shrinkage-prior.js";

/**
 * Declares the tests of one size.
 * @param repeated methods whose chains are run twice over
 */
export function describeFullMatrix(size: number, repeated: readonly MethodName[]): void {
  const folder = new ModelFolder();
  let solver: PhotoSolver;
  let another: PhotoSolver;
  beforeAll(async () => {
    const path = folder.write("shrinkage.onnx", shrinkagePrior());
    solver = await PhotoSolver.load(path);
    another = await PhotoSolver.load(path);
  });
  afterAll(async () => {
    await solver.release();
    await another.release();
    folder.remove();
  });

  const photo = "astronaut" as const;
  const cells = photoTasks.flatMap((task) => [10, 25].map((steps) => ({ name: task.task, task, steps })));

  describe.each(cells)("$name, T = $steps", ({ task, steps }) => {
    it.each(methodNames)("%s: within 50 dB of the serial picture on 1 to 4 workers", async (method) => {
      for (const workers of workerCounts) {
        await expectEqualPicture(solver, { photo, size, task, steps, method, workers });
      }
      await expectUnequalEarly(solver, { photo, size, task, steps, method, workers: 1 });
    });

    it("plain iteration to the end gives the serial picture on 1 to 4 workers", async () => {
      for (const workers of workerCounts) {
        await expectExactPicture(solver, { photo, size, task, steps, method: "picard", workers });
      }
    });
  });

  describe.each(photoTasks)("$task, byte for byte", (task) => {
    it.each(repeated)("%s: two runs on as many workers are the same", async (method) => {
      for (const workers of workerCounts) {
        await expectSameBytesAgain(solver, { photo, size, task, steps: 10, method, workers });
      }
    });

    it("the serial picture is the same wherever the chain runs", async () => {
      await expectSameBytesAnywhere(solver, another, { photo, size, task, steps: 10, method: "secant" });
    });
  });
}
