/** What happens to jobs, as a coordinator tells it. */
import type { JobEvent } from "../coordinator/jobs/job-event.js";

/** A line for people, the same as fields, and how much it matters. */
export interface ToldEvent {
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly level: "debug" | "info" | "warn" | "error";
}

/** Describes an event. */
export function describeJobEvent(event: JobEvent): ToldEvent {
  if (event.event === "log-trouble") {
    const { name: job, message } = event;
    if (job === null) return { line: `log of jobs: ${message}`, fields: {}, level: "warn" };
    return { line: `job ${job} is left alone: ${message}`, fields: { job }, level: "warn" };
  }
  const { spec, state, pausedBecause } = event.job;
  const job = spec.name;
  switch (event.event) {
    case "job-changed": {
      const why = pausedBecause === null ? "" : `: ${pausedBecause}`;
      const level = state === "paused" ? "warn" : "info";
      return { line: `job ${job} ${state}${why}`, fields: { job, state, pausedBecause }, level };
    }
    case "job-trouble":
      return { line: `job ${job}: ${event.message}`, fields: { job }, level: "warn" };
    case "item-begun": {
      const { key: picture, index, delivery, worker } = event.item;
      const fields = { job, picture, index, delivery, worker };
      return { line: `job ${job}: ${picture} begun by ${worker}`, fields, level: "debug" };
    }
    case "item-round": {
      const { key: picture, index, worker, round, residual } = event.item;
      const fields = { job, picture, index, worker, round, residual };
      return { line: `job ${job}: ${picture} round ${round}`, fields, level: "debug" };
    }
    case "item-outcome": {
      const { key: picture, status, errors, index, deliveries, rounds, worker, seconds } = event.outcome;
      const expected = status === "done" || status === "returned";
      const reasons: Partial<Record<typeof status, string>> = {
        done: `${seconds.toFixed(1)} s`,
        returned: "whoever had it was told to stop",
        dropped: "the job was cancelled",
      };
      const fields = { job, picture, index, status, deliveries, rounds, worker, seconds, errors };
      return {
        line: `job ${job}: ${picture} ${status}, ${reasons[status] ?? errors.at(-1) ?? "no reason was given"}`,
        fields,
        level: expected ? "info" : "warn",
      };
    }
  }
}
