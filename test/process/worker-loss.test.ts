/** Workers that die or fall silent in the middle of a chain. */
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { Fleet } from "../../coordinator/fleet.js";
import type { LocalWorkerEvent } from "../../coordinator/local-worker.js";
import type { BorderPolicy } from "../../coordinator/solver/border-watch.js";
import { solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import type { MethodName } from "../../shared/chain/method.js";
import { packageRoot } from "../../shared/package-root.js";
import { FleetFixture, never } from "../fleet-fixture.js";
import { ModelFolder, smoothModel } from "../models.js";
import { becomesTrue, isAlive } from "../processes.js";
import { RandomBorders } from "../random-borders.js";
import { psnr } from "../seeded-values.js";
import { type TaskSample, taskSamples } from "../task-samples.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const fleets = new FleetFixture();
afterEach(() => fleets.close());

const smooth = models.write("smooth.onnx", smoothModel());
const prior = fileURLToPath(new URL("models/prior.onnx", packageRoot));
const photoSized: TaskSample = {
  name: "sr-average 64x64",
  settings: { task: "sr-average", scale: 4 },
  size: { height: 64, width: 64 },
  mask: undefined,
};

interface Scene {
  readonly modelPath: string;
  readonly sample: TaskSample;
  readonly method: MethodName;
  readonly workers?: number;
  readonly borders?: BorderPolicy;
  /** What happens to the workers after the second round. */
  readonly strike: (fleet: Fleet) => void;
}

/** Solves a chain of ten steps, struck after round two; returns what came of it. */
async function solveStruck({ modelPath, sample, method, workers = 4, borders, strike }: Scene) {
  const events: LocalWorkerEvent[] = [];
  // Two seconds of patience would be most of the test.
  const health = { everyMilliseconds: 150, deadlineMilliseconds: 500, missedChecksAllowed: 2 };
  const fleet = await fleets.start({ workers, modelPath, health, onEvent: (event) => events.push(event) });
  const before = fleet.workers();
  const chain = toyChain({ steps: 10, method, sample });
  const serial = await solveSerial(chain, fleet.host, 0, never);
  const parts = { ...(await fleets.parts(fleet.host, sample)), borders };
  const settings = { tolerance: 1e-3, maxRounds: undefined };
  const solution = await solveTimeParallel(chain, settings, parts, never, ({ round }) => {
    if (round === 2) strike(fleet);
  });
  return { fleet, before, events, serial, solution };
}

const kill = (fleet: Fleet, index: number, signal: NodeJS.Signals) =>
  process.kill(fleet.workers()[index].pid, signal);

describe("SIGKILL while borders move", () => {
  it.each([[[0]], [[1]], [[3]], [[1, 2]]])("of workers %j: the picture is the serial one", async (struck) => {
    const { serial, solution } = await solveStruck({
      modelPath: smooth,
      sample: taskSamples[0],
      method: "secant",
      borders: new RandomBorders(7),
      strike: (fleet) => {
        for (const index of struck) kill(fleet, index, "SIGKILL");
      },
    });
    expect(solution.losses).toBeGreaterThanOrEqual(struck.length);
    expect(solution.moved).toBeGreaterThan(0);
    expect(solution.converged).toBe(true);
    expect(psnr(solution.picture, serial.picture)).toBeGreaterThan(50);
  });
});

describe("SIGKILL in mid-chain", () => {
  it.each<[string, MethodName, readonly number[]]>([
    ["the first worker", "secant", [0]],
    ["a worker in the middle", "secant", [1]],
    ["the last worker", "secant", [3]],
    ["two adjacent workers at once", "secant", [1, 2]],
    ["the first two workers at once", "secant", [0, 1]],
    ["a worker in the middle", "deqir", [2]],
    ["all workers at once", "picard", [0, 1, 2, 3]],
  ])("of %s, method %s: the picture is the serial one", async (_, method, struck) => {
    const { fleet, before, events, serial, solution } = await solveStruck({
      modelPath: smooth,
      sample: taskSamples[0],
      method,
      strike: (fleet) => {
        for (const index of struck) kill(fleet, index, "SIGKILL");
      },
    });
    expect(solution.losses).toBe(struck.length);
    expect(solution.converged).toBe(true);
    expect(psnr(solution.picture, serial.picture)).toBeGreaterThan(50);
    const names = struck.map((index) => before[index].name);
    const eventsOf = (kind: LocalWorkerEvent["kind"]) =>
      events.filter((event) => event.kind === kind).map((event) => event.worker);
    expect(await becomesTrue(5000, () => eventsOf("ready").length === struck.length)).toBe(true);
    expect(eventsOf("lost").sort()).toEqual(names);
    expect(eventsOf("ready").sort()).toEqual(names);
    expect(events.find((event) => event.kind === "lost")?.reason).toContain("SIGKILL");
    for (const [index, worker] of fleet.workers().entries()) {
      const hit = struck.includes(index);
      expect(worker).toMatchObject({ name: before[index].name, restarts: hit ? 1 : 0 });
      expect(worker.pid === before[index].pid).toBe(!hit);
      expect(isAlive(worker.pid)).toBe(true);
    }
  });

  it("of a worker while it evaluates the default prior", async () => {
    const { serial, solution } = await solveStruck({
      modelPath: prior,
      sample: photoSized,
      method: "secant",
      workers: 3,
      strike: (fleet) => {
        setTimeout(() => kill(fleet, 1, "SIGKILL"), 30);
      },
    });
    expect(solution.losses).toBeGreaterThanOrEqual(1);
    expect(psnr(solution.picture, serial.picture)).toBeGreaterThan(50);
  });
});

describe("SIGSTOP in mid-chain", () => {
  it("is noticed by health checks; the worker is killed and replaced", async () => {
    const { fleet, before, events, serial, solution } = await solveStruck({
      modelPath: smooth,
      sample: taskSamples[0],
      method: "secant",
      workers: 2,
      strike: (fleet) => kill(fleet, 1, "SIGSTOP"),
    });
    expect(solution.losses).toBe(1);
    expect(psnr(solution.picture, serial.picture)).toBeGreaterThan(50);
    expect(isAlive(before[1].pid)).toBe(false);
    expect(events.map((event) => `${event.worker} ${event.kind}`)).toEqual([
      "worker-2 lost",
      "worker-2 ready",
    ]);
    expect(fleet.workers()[1]).toMatchObject({ restarts: 1 });
  });
});

describe("an idle fleet", () => {
  it("replaces a worker that died between chains, and serves the next chain with it", async () => {
    const fleet = await fleets.start({ workers: 2, modelPath: smooth });
    const chain = toyChain({ steps: 4, method: "secant" });
    const first = await solveSerial(chain, fleet.host, 0, never);
    const { pid } = fleet.workers()[0];
    process.kill(pid, "SIGKILL");
    expect(await becomesTrue(10_000, () => fleet.workers()[0].pid !== pid)).toBe(true);
    expect((await solveSerial(chain, fleet.host, 0, never)).picture).toEqual(first.picture);
  });

  it("closes without waiting for a worker that is stopped or just starting again", async () => {
    const fleet = await fleets.start({ workers: 2, modelPath: smooth });
    const [stopped, killed] = fleet.workers();
    process.kill(stopped.pid, "SIGSTOP");
    process.kill(killed.pid, "SIGKILL");
    expect(await becomesTrue(2000, () => !isAlive(killed.pid))).toBe(true);
    const started = performance.now();
    await fleet.close();
    expect(performance.now() - started).toBeLessThan(3000);
    expect(isAlive(stopped.pid)).toBe(false);
  });
});
