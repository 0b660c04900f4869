/** What a coordinator's metrics show of its jobs. */
import { jobStates } from "../../shared/jobs/job.js";
import type { CoordinatorMetrics } from "../../shared/telemetry/metrics.js";
import type { JobEngine } from "./job-engine.js";
import type { JobEvent } from "./job-event.js";

/** Counts what happened. */
export function countJobEvent(metrics: CoordinatorMetrics, event: JobEvent): void {
  if (event.event !== "item-outcome") return;
  const { name, restoration } = event.job.spec;
  const { status, plan, rounds, evaluations, residual, seconds } = event.outcome;
  if (status === "returned") return;
  if (status === "retried") {
    metrics.retries.inc({ job: name });
    return;
  }
  metrics.items.inc({ job: name, status });
  metrics.itemSeconds.observe({ plan: plan ?? "none", status }, seconds);
  const { task } = restoration.task;
  if (evaluations !== null) metrics.evaluations.observe({ task, plan: plan ?? "none" }, evaluations);
  if (rounds !== null) metrics.rounds.observe({ task }, rounds);
  if (residual !== null) metrics.residualAtStop.observe({ task }, residual);
}

/** Brings what is looked up up to date: jobs by state, queues of those that are not at their end. */
export async function showJobs(metrics: CoordinatorMetrics, engine: JobEngine): Promise<void> {
  const jobs = await engine.log.list(() => {});
  for (const state of jobStates)
    metrics.jobs.set({ state }, jobs.filter((job) => job.state === state).length);
  metrics.queueItems.reset();
  metrics.queueAge.reset();
  metrics.jobAge.reset();
  for (const { spec, createdAt, finishedAt } of jobs) {
    if (finishedAt !== null) continue;
    const { name: job } = spec;
    metrics.jobAge.set({ job }, Math.max(0, (engine.now().getTime() - Date.parse(createdAt)) / 1000));
    // A queue that cannot be read has no number, and takes none from the others; what ails it its runner tells.
    const backlog = await engine.log.backlog(job).catch(() => undefined);
    if (backlog) {
      metrics.queueItems.set({ job, state: "queued" }, backlog.queued);
      metrics.queueItems.set({ job, state: "taken" }, backlog.taken);
    }
    const since = engine.secondsSinceProgress(job);
    if (since !== undefined) metrics.queueAge.set({ job }, since);
  }
}
