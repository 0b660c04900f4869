/**
 * Where slices are computed does not show in the result: not a single bit, as long as the borders stay. Where they move, which
 * follows measured times, chains agree to rounding (test/moving-borders.test.ts).
 */
import { afterAll, describe, expect, it } from "vitest";
import { fixedBorders } from "../../coordinator/solver/border-watch.js";
import { solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import { methodNames } from "../../shared/chain/method.js";
import { wireTotals } from "../../shared/wire/wire-traffic.js";
import { FleetFixture, never } from "../fleet-fixture.js";
import { ModelFolder, smoothModel } from "../models.js";
import { psnr } from "../seeded-values.js";
import { taskSamples } from "../task-samples.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
const modelPath = models.write("smooth.onnx", smoothModel());
const fleets = new FleetFixture();
afterAll(async () => {
  await fleets.close();
  models.remove();
});

const inpaint = taskSamples[4];
const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
const settings = { tolerance: 1e-3, maxRounds: undefined };
const still = async (...of: Parameters<FleetFixture["parts"]>) => ({
  ...(await fleets.parts(...of)),
  borders: fixedBorders,
});

/** The ways of tensors: memory of this machine, sockets as between machines, gRPC where those are out of reach. */
const ways = {
  lane: { lanes: true },
  socket: { lanes: false },
  grpc: { lanes: false, rounds: false },
} as const;

describe.each([
  [3, "lane"],
  [4, "lane"],
  [3, "socket"],
  [3, "grpc"],
] as const)("ten steps over %i workers, slices of unequal length, way: %s", (workers, way) => {
  it.each(methodNames)("method %s: the same bytes over gRPC and in process", async (method) => {
    const fleet = await fleets.start({ workers, modelPath, ...ways[way] });
    const local = await fleets.inProcess(modelPath, workers);
    for (const sample of [taskSamples[0], inpaint]) {
      // Fresh noise in every step, so that its addresses cross the wire too.
      const chain = toyChain({ steps: 10, method, sample, weights: { etw: 0.4, nw: 0.3 } });
      const remote = await solveTimeParallel(chain, settings, await still(fleet.host, sample), never);
      const here = await solveTimeParallel(chain, settings, await still(local, sample), never);
      expect(bytes(remote.picture).equals(bytes(here.picture))).toBe(true);
      expect(remote.residuals).toEqual(here.residuals);
      expect(remote).toMatchObject({ rounds: here.rounds, evaluations: here.evaluations, losses: 0 });
      const serial = await solveSerial(chain, fleet.host, 0, never);
      expect(psnr(remote.picture, serial.picture)).toBeGreaterThan(50);
    }
    await fleet.close();
  });
});

it("the serial chain gives the same bytes on any worker and in process", async () => {
  const fleet = await fleets.start({ workers: 3, modelPath });
  const local = await fleets.inProcess(modelPath, 1);
  const chain = toyChain({ steps: 10, method: "secant", sample: inpaint, weights: { etw: 0.85, nw: 0.85 } });
  const expected = bytes((await solveSerial(chain, local, 0, never)).picture);
  for (const index of [0, 1, 2, 3]) {
    expect(bytes((await solveSerial(chain, fleet.host, index, never)).picture).equals(expected)).toBe(true);
  }
  const other = await solveSerial({ ...chain, seed: 2 }, fleet.host, 0, never);
  expect(bytes(other.picture).equals(expected)).toBe(false);
});

/** Bytes that this process has received by each way for OpenSlice, the stream of exits. */
const receivedByWay = () =>
  Object.fromEntries(
    wireTotals()
      .filter(({ call, direction }) => call === "OpenSlice" && direction === "received")
      .map(({ way, bytes }) => [way, bytes]),
  );

it.each(["lane", "socket", "grpc"] as const)(
  "states larger than a message arrive whole, by the way they should: 320x320, 1.2 MB, %s",
  async (way) => {
    const before = receivedByWay();
    const fleet = await fleets.start({ workers: 2, modelPath, ...ways[way] });
    const local = await fleets.inProcess(modelPath, 2);
    const size = { height: 320, width: 320 };
    const sample = {
      name: "colorize 320x320",
      settings: { task: "colorize" },
      size,
      mask: undefined,
    } as const;
    const chain = toyChain({ steps: 4, method: "secant", sample });
    const remote = await solveTimeParallel(chain, settings, await still(fleet.host, sample), never);
    const here = await solveTimeParallel(chain, settings, await still(local, sample), never);
    expect(bytes(remote.picture).equals(bytes(here.picture))).toBe(true);
    // The last state is read by gRPC in any case.
    const limit = 1.5 * 4 * 3 * size.height * size.width;
    for (const other of ["lane", "socket", "grpc"] as const) {
      const bytesOfWay = (receivedByWay()[other] ?? 0) - (before[other] ?? 0);
      if (other === way) expect(bytesOfWay).toBeGreaterThan(limit);
      else expect(bytesOfWay).toBeLessThan(limit);
    }
  },
);
