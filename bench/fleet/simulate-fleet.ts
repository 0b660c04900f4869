/** A dataset on a fleet, simulated: pictures in a queue, lanes that take them, and what came of it. */
import { InputError } from "../../shared/errors.js";
import { type ChainParts, CutChainProcess } from "./cut-chain-process.js";
import type { FleetModel, FleetPlan } from "./fleet-model.js";
import { SimulatedCoordinator } from "./simulated-coordinator.js";
import { SimulatedWorker } from "./simulated-worker.js";
import { type Process, Simulation } from "./simulation.js";
import type { Trace } from "./trace.js";
import { WholeChains } from "./whole-chains-process.js";

/** Attempts a picture gets in all, as in a real run. */
const pictureAttempts = 3;

/** What is simulated. */
export interface FleetRun {
  /** N, 1 or more. */
  readonly workers: number;
  readonly plan: FleetPlan;
  /** Pictures that wait at the beginning. */
  readonly pictures: number;
  /** Chains of one T; picture i converges as trace i does, counted round. */
  readonly traces: readonly Trace[];
  readonly model: FleetModel;
}

/** What came of it. Times in seconds. */
export interface FleetOutcome {
  /** Chains in flight at a time. */
  readonly sideBySide: number;
  /** Workers that no chain was given to. */
  readonly idleWorkers: number;
  readonly restored: number;
  /** Pictures given up after three attempts. */
  readonly failed: number;
  /** From taking a picture out of the queue to having it restored, by picture in the order of their ends. */
  readonly latencies: readonly number[];
  /** From the beginning to the last picture. */
  readonly seconds: number;
  /** States evaluated, those in vain included. */
  readonly evaluations: number;
  /** Seconds of all workers in the network. */
  readonly busySeconds: number;
  /** Seconds of work for the coordinator's thread. */
  readonly coordinatorSeconds: number;
  /** Slices, or whole chains, lost with their workers. */
  readonly losses: number;
}

/** Chains in flight at a time, without regard to how many pictures there are. */
export function lanesOf(plan: FleetPlan, workers: number): number {
  return plan.kind === "whole" ? workers * plan.batch : Math.floor(workers / plan.slices);
}

/** How a lane solves a chain: its slices or its place in a batch, whichever the plan gives it. */
type Attempt = (trace: Trace) => Process<{ readonly solved: boolean; readonly losses: number }>;

function attemptsOf(plan: FleetPlan, parts: ChainParts): Attempt[] {
  const { simulation, coordinator, workers } = parts;
  if (plan.kind === "whole") {
    const batches = workers.map((worker) => new WholeChains(simulation, coordinator, worker, plan.files));
    // Worker by worker, so that few pictures spread over all workers before any gets a second.
    return Array.from(
      { length: lanesOf(plan, workers.length) },
      (_, lane) =>
        function* (trace) {
          const solved = yield* batches[lane % workers.length].run(trace.steps);
          return { solved, losses: solved ? 0 : 1 };
        },
    );
  }
  const { slices } = plan;
  return Array.from({ length: lanesOf(plan, workers.length) }, (_, lane) => {
    const group = { ...parts, workers: workers.slice(lane * slices, (lane + 1) * slices) };
    return (trace) => new CutChainProcess(group, trace).run();
  });
}

/**
 * Simulates a run to its end.
 * @throws InputError if the plan needs more workers or more steps than there are
 */
export function simulateFleet({ workers: count, plan, pictures, traces, model }: FleetRun): FleetOutcome {
  const steps = traces[0]?.steps ?? 0;
  if (plan.kind === "cut" && (plan.slices > count || plan.slices > steps)) {
    throw new InputError(`${plan.slices} slices: there are ${count} workers and ${steps} steps`);
  }
  const simulation = new Simulation();
  const coordinator = new SimulatedCoordinator(simulation, model);
  const workers = Array.from({ length: count }, (_, index) => new SimulatedWorker(simulation, model, index));
  const latencies: number[] = [];
  let [next, failed, losses, seconds] = [0, 0, 0, 0];

  function* lane(attempt: Attempt): Process {
    while (next < pictures) {
      const trace = traces[next++ % traces.length];
      const taken = simulation.now;
      if (plan.kind === "cut" || plan.files === "coordinator") yield* coordinator.preparePicture();
      let solved = false;
      for (let tried = 0; !solved && tried < pictureAttempts; tried++) {
        const end = yield* attempt(trace);
        solved = end.solved;
        losses += end.losses;
      }
      if (solved) latencies.push(simulation.now - taken);
      else failed++;
      seconds = simulation.now;
    }
  }

  const attempts = attemptsOf(plan, { simulation, model, coordinator, workers });
  for (const attempt of attempts) simulation.start(lane(attempt));
  simulation.run();
  const busyWorkers = plan.kind === "whole" ? count : attempts.length * plan.slices;
  return {
    sideBySide: attempts.length,
    idleWorkers: count - busyWorkers,
    restored: latencies.length,
    failed,
    latencies,
    seconds,
    evaluations: workers.reduce((sum, worker) => sum + worker.evaluations, 0),
    busySeconds: workers.reduce((sum, worker) => sum + worker.busySeconds, 0),
    coordinatorSeconds: coordinator.thread.busySeconds,
    losses,
  };
}
