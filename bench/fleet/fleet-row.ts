/** Outcomes of simulated runs as the numbers that are printed, and the plans that are worth simulating. */
import { median } from "../table.js";
import { evaluationCost, type FleetModel, type FleetPlan } from "./fleet-model.js";
import { type FleetOutcome, lanesOf, simulateFleet } from "./simulate-fleet.js";
import type { Trace } from "./trace.js";

/** One number of workers under one plan. */
export interface FleetRow {
  readonly workers: number;
  readonly plan: FleetPlan;
  /** Chains in flight at a time. */
  readonly sideBySide: number;
  readonly pictures: number;
  readonly failed: number;
  /** Seconds from taking a picture to having it; NaN where none was restored. */
  readonly latency: { readonly median: number; readonly p95: number };
  /** Pictures restored per second. */
  readonly throughput: number;
  /** Evaluations begun, by pictures restored. */
  readonly evaluationsPerPicture: number;
  /** Share of the workers' time that went into the network, 0 to 1. */
  readonly utilisation: number;
  /** (T / evaluationsPerPicture) x utilisation: useful work by what the workers could have done. */
  readonly efficiency: number;
  /** Latency of a serial chain on an otherwise idle worker without a network, T tau(1), by the median latency. */
  readonly speedUp: number;
  /** Share of the time in which the coordinator's thread was busy. */
  readonly coordinator: number;
  readonly losses: number;
}

/** The smallest value that at least `share` of the values do not exceed; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The numbers of a run. */
export function summarise(
  outcome: FleetOutcome,
  run: { readonly workers: number; readonly plan: FleetPlan; readonly steps: number },
  model: FleetModel,
): FleetRow {
  const { restored, failed, latencies, seconds, evaluations, busySeconds } = outcome;
  const { workers, plan, steps } = run;
  const utilisation = busySeconds / (workers * seconds);
  const middle = median(latencies);
  return {
    workers,
    plan,
    sideBySide: outcome.sideBySide,
    pictures: restored + failed,
    failed,
    latency: { median: middle, p95: quantile(latencies, 0.95) },
    throughput: restored / seconds,
    evaluationsPerPicture: evaluations / restored,
    utilisation,
    efficiency: ((steps * restored) / evaluations) * utilisation,
    speedUp: (steps * evaluationCost(model)) / middle,
    coordinator: outcome.coordinatorSeconds / seconds,
    losses: outcome.losses,
  };
}

/**
 * Plans for so many workers: whole chains, then every cut that fits.
 * @param slices slices per chain, ascending; undefined: five steps a slice, and one chain over all workers or as many as
 *   have a step
 */
export function plansFor(
  workers: number,
  steps: number,
  slices: readonly number[] | undefined,
  batch: number,
): FleetPlan[] {
  const wanted = slices ?? [...new Set([Math.ceil(steps / 5), Math.min(workers, steps)])];
  const least = slices === undefined ? 2 : 1;
  const fitting = wanted.filter((count) => count >= least && count <= Math.min(workers, steps));
  return [
    { kind: "whole", batch, files: "worker" },
    ...fitting.map((count) => ({ kind: "cut", slices: count }) as const),
  ];
}

/** Sixteen for each chain in flight, so that beginning and end of the queue weigh little, and every trace equally often. */
export function defaultPictures(plan: FleetPlan, workers: number, traces: number): number {
  return Math.ceil((16 * lanesOf(plan, workers)) / traces) * traces;
}

/** What is simulated for each number of workers. */
export interface FleetStudy {
  /** Ascending. */
  readonly workers: readonly number[];
  /** As {@link plansFor} takes them. */
  readonly slices: readonly number[] | undefined;
  /** Whole chains a worker holds. */
  readonly batch: number;
  /** Length of the queue; undefined: {@link defaultPictures}. */
  readonly pictures: number | undefined;
  /** All of one T. */
  readonly traces: readonly Trace[];
  readonly model: FleetModel;
}

/** Simulates all of it; rows in the order of workers and plans. */
export function studyFleet({ workers, slices, batch, pictures, traces, model }: FleetStudy): FleetRow[] {
  const { steps } = traces[0];
  return workers.flatMap((count) =>
    plansFor(count, steps, slices, batch).map((plan) => {
      const queue = pictures ?? defaultPictures(plan, count, traces.length);
      const outcome = simulateFleet({ workers: count, plan, pictures: queue, traces, model });
      return summarise(outcome, { workers: count, plan, steps }, model);
    }),
  );
}
