/** Coordinators and workers that die at named points of a job. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { crashPoints } from "../../shared/crash-point.js";
import { cutPictures, filesBelow } from "../faults/dataset.js";
import { Supervised } from "../faults/supervised.js";
import { deqfleet, outcomesOf } from "../job-commands.js";
import { ModelFolder, smoothModel } from "../models.js";
import { temporaryFolder } from "../small-pictures.js";

const models = new ModelFolder();
const model = models.write("smooth.onnx", smoothModel());
afterAll(() => models.remove());

const task = ["--task", "sr-average", "--scale", "4", "--simulate", "--steps", "3", "--model", model];

describe("a crash", () => {
  it.each(crashPoints)(
    "at the point %s loses nothing, doubles nothing, leaves no half file",
    async (point) => {
      const folder = await temporaryFolder();
      await cutPictures(join(folder, "in"), 8, 32);
      await mkdir(join(folder, "out"));
      const port = 20_000 + Math.floor(Math.random() * 20_000);
      const at = ["--coordinator", `127.0.0.1:${port}`];
      // The first process dies at the point, the one after it does not.
      let armed = 0;
      const environment = () => (armed++ === 0 ? { DEQFLEET_CRASH_POINT: `${point}:2` } : {});
      const inWorker = point === "before-rename";
      const coordinator = new Supervised({
        name: "coordinator",
        args: [
          "coordinator",
          "--listen",
          `127.0.0.1:${port}`,
          "--heartbeat",
          "0.1",
          "--silence",
          "2",
          "--data",
          join(folder, "jobs"),
        ],
        ...(inWorker ? {} : { environment }),
      });
      const worker = new Supervised({
        name: "worker",
        args: ["worker", "--name", "w", ...at, "--model", model, "--threads", "1", "--measure", "0"],
        ...(inWorker ? { environment } : {}),
      });
      try {
        await expect.poll(() => coordinator.output, { timeout: 30_000 }).toMatch(/reached at/);
        // Two jobs, so that points of a submission are passed twice.
        for (const name of ["one", "two"]) {
          const submit = [
            "submit",
            join(folder, "in"),
            "--out",
            join(folder, "out", name),
            "--name",
            name,
            ...task,
            ...at,
          ];
          await expect
            .poll(async () => (await deqfleet(...submit)).code, { timeout: 60_000, interval: 500 })
            .toBe(0);
        }
        for (const name of ["one", "two"]) {
          await expect
            .poll(async () => (await deqfleet("watch", name, ...at)).code, { timeout: 60_000, interval: 500 })
            .toBe(0);
          const outcomes = await outcomesOf(name, at);
          expect(outcomes.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
          const { outputs } = await filesBelow(join(folder, "out", name));
          expect(outputs.filter((file) => !file.startsWith("measurements"))).toHaveLength(8);
        }
        expect((inWorker ? worker : coordinator).restarts).toBe(1);
      } finally {
        await Promise.all([coordinator.stop(), worker.stop()]);
      }
    },
  );
});
