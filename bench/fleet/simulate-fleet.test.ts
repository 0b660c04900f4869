import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutChain } from "../../coordinator/solver/cut-chain.js";
import type { FleetModel, FleetPlan } from "./fleet-model.js";
import { summarise } from "./fleet-row.js";
import { type FleetRun, simulateFleet } from "./simulate-fleet.js";
import { evaluationsOf, type Trace } from "./trace.js";

/** Nothing costs anything but the network. */
const ideal: FleetModel = {
  cost: (batch) => 0.01 + 0.002 * batch,
  tensorBytes: 1000,
  network: { latency: 0, bandwidth: 1e12, coordinatorBandwidth: 1e12 },
  coordinator: { perMessage: 0, perTensor: 0, perPicture: 0, perItem: 0 },
  borders: "fixed",
  stragglers: { share: 0, factor: 1 },
  failures: { perWorkerHour: 0, restart: 0, reseed: 0, setback: 1 },
  seed: 0,
};

/** A trace in which every state that is not final is evaluated. */
function trace(steps: number, done: readonly number[]): Trace {
  const evaluated = done.map((_, round) => steps - (done[round - 1] ?? 0));
  return { photo: "p", task: "inpaint", method: "secant", steps, done: [...done], evaluated };
}

const usual = trace(25, [1, 2, 4, 8, 12, 17, 22, 24]);
const run = (given: Partial<FleetRun>) =>
  simulateFleet({
    workers: 5,
    plan: { kind: "cut", slices: 5 },
    pictures: 1,
    traces: [usual],
    model: ideal,
    ...given,
  });

const traces = fc.integer({ min: 2, max: 40 }).chain((steps) =>
  fc.uniqueArray(fc.integer({ min: 1, max: steps }), { minLength: 1, maxLength: 12 }).map((done) =>
    trace(
      steps,
      [...done].sort((a, b) => a - b),
    ),
  ),
);

describe("a cut chain", () => {
  it("takes the slowest slice of every round, and evaluates what the trace does", () => {
    fc.assert(
      fc.property(traces, fc.integer({ min: 1, max: 40 }), (one, wanted) => {
        const slices = Math.min(wanted, one.steps);
        const plan = { kind: "cut", slices } as const;
        const found = run({ workers: slices, plan, traces: [one] });
        let seconds = 0;
        for (const round of one.done.keys()) {
          const final = one.done[round - 1] ?? 0;
          const batches = cutChain(one.steps, slices).map(({ begin, end }) => end - Math.max(begin, final));
          const largest = Math.max(...batches);
          if (largest > 0) seconds += ideal.cost(largest);
        }
        expect(found.seconds).toBeCloseTo(seconds, 6);
        expect(found.latencies).toEqual([found.seconds]);
        expect(found.evaluations).toBe(evaluationsOf(one));
      }),
    );
  });

  it("evaluates only the window that the trace does", () => {
    const windowed = { ...usual, evaluated: [8, 8, 8, 8, 8, 8, 3, 3] };
    const found = run({ workers: 25, plan: { kind: "cut", slices: 25 }, traces: [windowed] });
    expect(found.evaluations).toBe(54);
    expect(found.seconds).toBeCloseTo(8 * ideal.cost(1), 6);
  });

  it("whose borders move takes no longer, where moving costs nothing, and evaluates the same", () => {
    const moving: FleetModel = { ...ideal, borders: "moving" };
    let sooner = 0;
    fc.assert(
      fc.property(traces, fc.integer({ min: 1, max: 40 }), (one, wanted) => {
        const slices = Math.min(wanted, one.steps);
        const given = { workers: slices, plan: { kind: "cut", slices } as const, traces: [one] };
        const [stays, moves] = [run(given), run({ ...given, model: moving })];
        expect(moves.evaluations).toBe(evaluationsOf(one));
        expect(moves.seconds).toBeLessThanOrEqual(stays.seconds + 1e-6);
        if (moves.seconds < stays.seconds) sooner++;
        let least = 0;
        for (const states of one.evaluated) least += ideal.cost(Math.ceil(states / slices));
        expect(moves.seconds).toBeGreaterThanOrEqual(least - 1e-6);
      }),
    );
    expect(sooner).toBeGreaterThan(10);
  });

  it("moves no borders where the wire costs more than the work", () => {
    const dear = { ...ideal, coordinator: { perMessage: 0, perTensor: 1, perPicture: 0, perItem: 0 } };
    const moving: FleetModel = { ...dear, borders: "moving" };
    expect(run({ model: moving })).toEqual(run({ model: dear }));
  });

  it("pays for messages and tensors as the exchange needs them", () => {
    const model = { ...ideal, coordinator: { perMessage: 1, perTensor: 0, perPicture: 0, perItem: 0 } };
    const two = trace(2, [1, 2]);
    const plan = { kind: "cut", slices: 2 } as const;
    // 4 a slice to open, then commands and reports of two rounds: the first slice ends with its last correction.
    // At the end the last slice is corrected and read.
    expect(run({ workers: 2, plan, traces: [two], model }).coordinatorSeconds).toBe(8 + 4 + 4 + 4);
    const tensors = { ...ideal, coordinator: { perMessage: 0, perTensor: 1, perPicture: 0, perItem: 0 } };
    // A^+ y to both; round 1: the first slice's exit up; round 2: its correction down; the picture.
    expect(run({ workers: 2, plan, traces: [two], model: tensors }).coordinatorSeconds).toBe(2 + 1 + 1 + 1);
  });

  it("pays for whole pictures as for one piece of work, and for chains that pass through with their tensors", () => {
    const costs = { perMessage: 1, perTensor: 10, perPicture: 100, perItem: 1000 };
    const model = { ...ideal, coordinator: costs };
    const spent = (files: "worker" | "coordinator") =>
      run({ workers: 1, plan: { kind: "whole", batch: 1, files }, pictures: 1, model }).coordinatorSeconds;
    expect(spent("worker")).toBe(1000);
    // 4 messages to open, the command and its answer; A^+ y and the picture; the files.
    expect(spent("coordinator")).toBe(6 + 20 + 100);
  });

  it("waits for latency and bandwidth", () => {
    const one = trace(1, [1]);
    const plan = { kind: "cut", slices: 1 } as const;
    const far = { ...ideal, network: { ...ideal.network, latency: 1 } };
    // Four ways to open, two a round, four to correct once more and to read the picture.
    expect(run({ workers: 1, plan, traces: [one], model: far }).seconds).toBeCloseTo(10 + ideal.cost(1), 6);
    const narrow = { ...ideal, network: { ...ideal.network, bandwidth: 500 } };
    expect(run({ workers: 1, plan, traces: [one], model: narrow }).seconds).toBeCloseTo(4 + ideal.cost(1), 5);
  });
});

describe("a lost slice", () => {
  // A worker lives for a second on average, ten times as long as a chain takes.
  const failures = { perWorkerHour: 3600, restart: 0.2, reseed: 0, setback: 0 };
  const plan = { kind: "cut", slices: 5 } as const;
  const chains = (setback: number) =>
    run({ workers: 50, pictures: 100, plan, model: { ...ideal, failures: { ...failures, setback } } });

  it("is evaluated again, with the states that were final in it, and costs the rounds of its setback", () => {
    const [none, one, three] = [0, 1, 3].map(chains);
    expect(none.losses).toBeGreaterThan(5);
    expect(none.evaluations / none.restored).toBeGreaterThan(evaluationsOf(usual) + 1);
    expect(one.evaluations / one.restored).toBeGreaterThan(none.evaluations / none.restored);
    expect(three.evaluations / three.restored).toBeGreaterThan(one.evaluations / one.restored);
  });

  it("delays its chain by the restart of its worker", () => {
    const { latencies } = chains(0);
    expect(Math.max(...latencies)).toBeGreaterThan(0.2);
    expect(Math.min(...latencies)).toBeLessThan(0.2);
  });
});

describe("whole chains", () => {
  it("take T evaluations, side by side on all workers", () => {
    const found = run({ plan: { kind: "whole", batch: 1, files: "worker" }, pictures: 10 });
    expect(found.evaluations).toBe(250);
    expect(found.seconds).toBeCloseTo(2 * 25 * ideal.cost(1), 6);
    expect(
      summarise(found, { workers: 5, plan: { kind: "whole", batch: 1, files: "worker" }, steps: 25 }, ideal),
    ).toMatchObject({
      efficiency: expect.closeTo(1, 6),
      utilisation: expect.closeTo(1, 6),
      speedUp: expect.closeTo(1, 6),
      evaluationsPerPicture: 25,
    });
  });

  it("share the calls of a worker, each chain at its own timestep", () => {
    const found = run({ workers: 1, plan: { kind: "whole", batch: 4, files: "worker" }, pictures: 4 });
    const { cost } = ideal;
    // The chain that is opened first takes its first step before the others are there, and ends a step before them.
    const four = cost(1) + 24 * cost(4) + cost(3);
    expect(found.seconds).toBeCloseTo(four, 6);
    const five = run({ workers: 1, plan: { kind: "whole", batch: 4, files: "worker" }, pictures: 5 });
    expect(five.seconds).toBeCloseTo(four + 25 * cost(1), 6);
    // The fifth takes the place of the first while the others take their last step.
    expect(five.latencies.at(-1)).toBeCloseTo(cost(3) + 25 * cost(1), 6);
  });
});

const plans: readonly FleetPlan[] = [
  { kind: "whole", batch: 1, files: "worker" },
  { kind: "whole", batch: 3, files: "worker" },
  { kind: "cut", slices: 5 },
  { kind: "cut", slices: 25 },
];

describe.each(plans)("%j", (plan) => {
  const workers = 50;
  const troubled: FleetModel = {
    ...ideal,
    coordinator: { perMessage: 1e-4, perTensor: 1e-4, perPicture: 1e-3, perItem: 1e-4 },
    stragglers: { share: 0.1, factor: 5 },
    failures: { perWorkerHour: 300, restart: 0.5, reseed: 0.05, setback: 1 },
  };
  const study = (model: FleetModel) => {
    const found = run({ workers, plan, pictures: 200, model });
    return { found, row: summarise(found, { workers, plan, steps: 25 }, model) };
  };

  it("never does more than its workers can, and settles every picture", () => {
    for (const model of [ideal, troubled]) {
      const { found, row } = study(model);
      expect(found.restored + found.failed).toBe(200);
      expect(row.utilisation).toBeGreaterThan(0);
      expect(row.utilisation).toBeLessThanOrEqual(1 + 1e-9);
      expect(row.efficiency).toBeLessThanOrEqual(row.utilisation + 1e-9);
      expect(row.coordinator).toBeLessThanOrEqual(1 + 1e-9);
      expect(row.latency.p95).toBeGreaterThanOrEqual(row.latency.median);
    }
  });

  it("repeats exactly, and differs with the seed", () => {
    const { found } = study(troubled);
    expect(study(troubled).found).toEqual(found);
    expect(study({ ...troubled, seed: 1 }).found.seconds).not.toBe(found.seconds);
  });

  it("is slowed by stragglers, and by failures, which cost evaluations too", () => {
    const calm = study(ideal).found;
    const slow = study({ ...ideal, stragglers: troubled.stragglers }).found;
    expect(slow.seconds).toBeGreaterThan(1.05 * calm.seconds);
    expect(slow.evaluations).toBe(calm.evaluations);
    const dying = study({ ...ideal, failures: troubled.failures }).found;
    expect(dying.losses).toBeGreaterThan(0);
    expect(dying.seconds).toBeGreaterThan(calm.seconds);
    expect(dying.evaluations).toBeGreaterThan(calm.evaluations * (dying.restored / 200));
  });
});

it("gives pictures up after three attempts, where workers die too often for a chain to end", () => {
  const failures = { perWorkerHour: 3600 * 20, restart: 0.01, reseed: 0, setback: 1 };
  const found = run({ pictures: 5, model: { ...ideal, failures } });
  expect(found).toMatchObject({ restored: 0, failed: 5 });
});

it("refuses more slices than workers or steps", () => {
  expect(() => run({ workers: 4 })).toThrow(/5 slices: there are 4 workers and 25 steps/);
  expect(() => run({ workers: 30, plan: { kind: "cut", slices: 26 } })).toThrow(/25 steps/);
});
