/** Holds the simulator to real runs: the real solver, real gRPC, and workers whose network sleeps a set time. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { PrefixScan } from "../../coordinator/solver/prefix-scan.js";
import { type Solution, solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import type { ChainSpec, SliceHost } from "../../shared/chain/slice-host.js";
import { SleepingNetwork } from "../../test/sleeping-engine.js";
import { SleepingFleet } from "../../test/sleeping-fleet.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { toyChain } from "../../test/toy-chain.js";
import { SliceEngine } from "../../worker/engine/slice-engine.js";
import { InProcessHost } from "../../worker/in-process-host.js";
import { RecordingHost } from "../recording-host.js";
import type { FleetModel, FleetPlan } from "./fleet-model.js";
import { simulateFleet } from "./simulate-fleet.js";
import type { Trace } from "./trace.js";

const steps = 12;
/** Whatever else the machine does adds a few milliseconds a round: the network must be what takes time. */
const cost = (batch: number) => 0.1 + 0.02 * batch;
const stop = { tolerance: 0.1, maxRounds: undefined };
const never = new AbortController().signal;

/** Nothing here was fitted to these runs: a message's cost is what gRPC's were measured at, by which these workers have their rounds, the loopback is free. */
const model: FleetModel = {
  cost,
  tensorBytes: 3 * 8 * 8 * 4,
  network: { latency: 0, bandwidth: 1e9, coordinatorBandwidth: 1e9 },
  coordinator: { perMessage: 0.00018, perTensor: 0, perPicture: 0, perItem: 0 },
  borders: "moving",
  stragglers: { share: 0, factor: 1 },
  failures: { perWorkerHour: 0, restart: 0, reseed: 0, setback: 0 },
  seed: 0,
};

const chainOf = (seed: number): ChainSpec => ({
  ...toyChain({ steps, method: "secant", seed }),
  pictureId: `${seed}`,
});

const scan = new PrefixScan();
const operator = operatorOf(taskSamples[0]);
let fleet: SleepingFleet;
const traces: Trace[] = [];

const cutOver = (host: SliceHost, seed: number, onRound?: (progress: { done: number }) => void) =>
  solveTimeParallel(chainOf(seed), stop, { host, scan, operator }, never, onRound);

beforeAll(async () => {
  fleet = await SleepingFleet.start(4, cost);
  // Traces come from the solver without a fleet: what is compared below is not what they were made of.
  const alone = new InProcessHost(new SliceEngine(new SleepingNetwork(() => 0), { threads: 1 }), 1);
  for (const seed of [0, 1, 2, 3]) {
    const done: number[] = [];
    const host = new RecordingHost(alone);
    await cutOver(host, seed, (progress) => done.push(progress.done));
    const evaluated = host.rounds.slice(0, done.length).map(([{ report }]) => report.evaluations);
    traces.push({ photo: `${seed}`, task: "sr-average", method: "secant", steps, done, evaluated });
  }
  // Connections are made and code is compiled before anything is timed.
  await cutOver(fleet.host(0, 4), 0);
});

afterAll(async () => {
  await fleet.close();
  await scan.release();
});

/** What came of restoring the four pictures. */
interface Run {
  readonly seconds: number;
  readonly latencies: readonly number[];
  readonly evaluations: number;
}

/** Takes the pictures in as many lanes, each the way that `solve` solves them. */
async function realRun(
  lanes: number,
  solve: (lane: number, picture: number) => Promise<Solution>,
): Promise<Run> {
  const latencies: number[] = [];
  const started = performance.now();
  let [next, evaluations] = [0, 0];
  const lane = async (index: number) => {
    while (next < traces.length) {
      const taken = performance.now();
      const solution = await solve(index, next++);
      latencies.push((performance.now() - taken) / 1000);
      evaluations += solution.evaluations;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
  return { seconds: (performance.now() - started) / 1000, latencies, evaluations };
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** Runs that a comparison may take: other programs slow a run down, nothing speeds one up, so the fastest is the fleet's own. */
const runsAllowed = 3;

async function expectAgreement(workers: number, plan: FleetPlan, run: () => Promise<Run>): Promise<void> {
  const simulated = simulateFleet({ workers, plan, pictures: traces.length, traces, model });
  const predicted = { seconds: simulated.seconds, latency: mean(simulated.latencies) };
  const found = { seconds: Number.POSITIVE_INFINITY, latency: Number.POSITIVE_INFINITY };
  const off = () =>
    Math.max(
      Math.abs(predicted.seconds / found.seconds - 1),
      Math.abs(predicted.latency / found.latency - 1),
    );
  for (let runs = 0; runs < runsAllowed && off() >= 0.1; runs++) {
    const { seconds, latencies, evaluations } = await run();
    expect(Math.abs(simulated.evaluations / evaluations - 1)).toBeLessThan(0.1);
    found.seconds = Math.min(found.seconds, seconds);
    found.latency = Math.min(found.latency, mean(latencies));
  }
  expect(off(), JSON.stringify({ predicted, found })).toBeLessThan(0.1);
}

it.each([1, 2, 4])("agrees with chains cut over %i workers", async (workers) => {
  const host = fleet.host(0, workers);
  await expectAgreement(workers, { kind: "cut", slices: workers }, () =>
    realRun(1, (_, picture) => cutOver(host, picture)),
  );
});

it("agrees with two chains side by side, each cut over two workers", async () => {
  const hosts = [fleet.host(0, 2), fleet.host(2, 2)];
  await expectAgreement(4, { kind: "cut", slices: 2 }, () =>
    realRun(2, (lane, picture) => cutOver(hosts[lane], picture)),
  );
});

it.each([1, 2, 4])("agrees with whole chains on %i workers", async (workers) => {
  const host = fleet.host(0, workers);
  await expectAgreement(workers, { kind: "whole", batch: 1, files: "coordinator" }, () =>
    realRun(workers, (lane, picture) => solveSerial(chainOf(picture), host, lane, never)),
  );
});
