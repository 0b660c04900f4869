/** Models that cannot be used, or that fail on the way. */
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { startLocalFleet } from "../../coordinator/local-fleet.js";
import { solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import { InputError, PictureError } from "../../shared/errors.js";
import { FleetFixture, never } from "../fleet-fixture.js";
import {
  breakingModel,
  fixedSizeModel,
  fourChannelModel,
  linearModel,
  ModelFolder,
  sixChannelModel,
  timelessModel,
} from "../models.js";
import { childrenOf } from "../processes.js";
import { relativeDistance } from "../seeded-values.js";
import { taskSamples } from "../task-samples.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const fleets = new FleetFixture();
afterEach(() => fleets.close());

const damaged = linearModel(0.1);
damaged.set(new Uint8Array(40).fill(0xee), 30);

describe("startLocalFleet refuses, naming the file,", () => {
  it.each<[string, string, RegExp]>([
    ["a missing model", join(models.path, "missing.onnx"), /cannot be loaded: .*ENOENT/],
    ["a corrupt model", models.write("corrupt.onnx", damaged), /cannot be loaded/],
    ["a file that is no model", models.write("text.onnx", "hello"), /cannot be loaded/],
    ["an empty file", models.write("empty.onnx", ""), /cannot be loaded/],
    ["a folder", models.path, /cannot be loaded/],
    ["a model with one input", models.write("timeless.onnx", timelessModel()), /its inputs are not a batch/],
    [
      "a model with four output channels",
      models.write("four.onnx", fourChannelModel()),
      /output has 4 channels/,
    ],
  ])("%s", async (_, modelPath, message) => {
    const starting = startLocalFleet({ workers: 2, threads: 1, modelPath, signal: never });
    await expect(starting).rejects.toThrow(InputError);
    await expect(starting).rejects.toThrow(message);
    await expect(starting).rejects.toThrow(modelPath);
    expect(childrenOf(process.pid)).toEqual([]);
  });

  it("a model card that is not valid", async () => {
    const modelPath = models.write("carded.onnx", linearModel(0.1));
    const card = models.write("carded.json", '{"sizeMultiple": 0}');
    const starting = startLocalFleet({ workers: 1, threads: 1, modelPath, signal: never });
    await expect(starting).rejects.toThrow(InputError);
    await expect(starting).rejects.toThrow(card);
  });

  it.each([0, -1, 1.5])("%d workers", async (workers) => {
    const modelPath = models.write("linear.onnx", linearModel(0.1));
    const starting = startLocalFleet({ workers, threads: 1, modelPath, signal: never });
    await expect(starting).rejects.toThrow(InputError);
    await expect(starting).rejects.toThrow(`--workers ${workers}`);
  });
});

describe("a model that returns what is not a number", () => {
  // T = 10: timesteps 900, 800, .. 0; those below 350 fail.
  const modelPath = models.write("breaking.onnx", breakingModel(350));
  const chain = toyChain({ steps: 10, method: "secant" });

  it("fails the picture in the first round, naming picture, round and timestep", async () => {
    const fleet = await fleets.start({ workers: 2, modelPath });
    const parts = await fleets.parts(fleet.host);
    const solving = solveTimeParallel(chain, { tolerance: 1e-3, maxRounds: undefined }, parts, never);
    await expect(solving).rejects.toThrow(PictureError);
    await expect(solving).rejects.toThrow(/picture toy\.png.*not finite in round 1 at timestep 300;/);
    expect(fleet.workers().every((worker) => worker.restarts === 0)).toBe(true);
  });

  it("fails the serial chain at its step, and the worker serves on", async () => {
    const fleet = await fleets.start({ workers: 1, modelPath });
    const solving = solveSerial(chain, fleet.host, 0, never);
    await expect(solving).rejects.toThrow(PictureError);
    await expect(solving).rejects.toThrow(/picture toy\.png.*step 7 .*at timestep 300;/);
    const short = { ...chain, schedule: { steps: 1, start: 1000, spacing: "uniform" as const } };
    await expect(solveSerial(short, fleet.host, 0, never)).rejects.toThrow(/timestep 0;/);
    expect(fleet.workers()[0].restarts).toBe(0);
  });
});

describe("network cards", () => {
  it("a six-channel model restores what its first three channels say", async () => {
    const six = await fleets.start({ workers: 1, modelPath: models.write("six.onnx", sixChannelModel(0.3)) });
    const three = await fleets.start({ workers: 1, modelPath: models.write("three.onnx", linearModel(0.3)) });
    const other = await fleets.start({ workers: 1, modelPath: models.write("other.onnx", linearModel(0.2)) });
    const pictures = [];
    for (const { host } of [six, three, other]) {
      const parts = await fleets.parts(host);
      const chain = toyChain({ steps: 6, method: "secant" });
      const settings = { tolerance: 1e-3, maxRounds: undefined };
      pictures.push((await solveTimeParallel(chain, settings, parts, never)).picture);
    }
    expect(relativeDistance(pictures[0], pictures[1])).toBeLessThan(1e-6);
    expect(relativeDistance(pictures[0], pictures[2])).toBeGreaterThan(1e-3);
  });

  it("tell a fixed size, the multiple of sizes, and different files apart", async () => {
    const fixed = models.write("fixed.onnx", fixedSizeModel(64, 32));
    const carded = models.write("eight.onnx", linearModel(0.1));
    models.write("eight.json", '{"sizeMultiple": 8, "name": "any"}');
    const a = await fleets.start({ workers: 1, modelPath: fixed });
    const b = await fleets.start({ workers: 1, modelPath: carded });
    expect(a.network).toMatchObject({ fixedSize: { height: 64, width: 32 }, sizeMultiple: 64 });
    expect(b.network).toMatchObject({ fixedSize: undefined, sizeMultiple: 8 });
    expect(a.network.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(a.network.hash).not.toBe(b.network.hash);
    const sample = taskSamples[0];
    const wrongSize = solveSerial(toyChain({ steps: 2, method: "secant", sample }), a.host, 0, never);
    await expect(wrongSize).rejects.toThrow(PictureError);
  });
});
