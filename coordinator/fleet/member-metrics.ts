/** What a coordinator's metrics show of its workers, looked up when they are asked for. */
import type { CoordinatorMetrics } from "../../shared/telemetry/metrics.js";
import type { WorkerPool } from "./worker-pool.js";

/** Brings the number of workers in each state up to date. */
export function showMembers(metrics: CoordinatorMetrics, workers: WorkerPool): void {
  const members = workers.members();
  for (const state of ["serving", "draining"] as const) {
    metrics.workers.set({ state }, members.filter((member) => member.state === state).length);
  }
}
