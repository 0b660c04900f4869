/** What is told of a job while it goes on. */
import type { JobRecord, OutcomeCounts } from "../../shared/jobs/job.js";
import type { WorkerPool } from "../fleet/worker-pool.js";
import type { RunningItem } from "./items-in-hand.js";
import type { Tally } from "./tally.js";

/** A job as it is now. */
export interface JobStatus {
  readonly job: JobRecord;
  /** Items by how they ended. */
  readonly counts: OutcomeCounts;
  /** Items listed so far that have no outcome. */
  readonly pending: number;
  /** Outcomes a second over the last minute, of all coordinators. */
  readonly rate: number;
  /** Until every item has an outcome at this rate; null while that cannot be told. */
  readonly secondsLeft: number | null;
  /** Items at work on the coordinator that was asked. */
  readonly running: readonly RunningItem[];
  /** Why nothing is begun although the job is active; null otherwise. */
  readonly waitingFor: string | null;
  /** What keeps this coordinator from going on with it; null otherwise. */
  readonly trouble: string | null;
}

/** What the coordinator that is asked knows of a job beside its record. */
export interface JobProgress {
  /** Not needed of a job at its end, whose record says it. */
  readonly tally: Tally | null;
  readonly running: readonly RunningItem[];
  readonly trouble: string | null;
}

const nothingEnded: OutcomeCounts = { done: 0, failed: 0, dead: 0, dropped: 0 };

/** Why none of a job's items is begun. */
function obstacle({ state, spec }: JobRecord, pool: WorkerPool): string | null {
  if (state !== "active") return null;
  const members = pool.members();
  if (members.some(({ network, state }) => network.hash === spec.model && state === "serving")) return null;
  const others = new Set(members.map(({ network }) => network.hash.slice(0, 12)));
  const known = others.size === 0 ? "no worker has joined" : `its workers have ${[...others].join(", ")}`;
  return `this coordinator has no worker with model ${spec.model.slice(0, 12)}: ${known}`;
}

/** Describes a job. */
export function describeJob(
  job: JobRecord,
  { tally, running, trouble }: JobProgress,
  pool: WorkerPool,
  now: Date,
): JobStatus {
  const counts = job.counts ?? tally?.byStatus ?? nothingEnded;
  const ended = counts.done + counts.failed + counts.dead + counts.dropped;
  const pending = Math.max(0, job.listed - ended);
  const over = job.finishedAt !== null;
  const rate = over ? 0 : (tally?.rate(now.getTime()) ?? 0);
  const secondsLeft = over ? 0 : job.state === "active" && job.listedAll && rate > 0 ? pending / rate : null;
  return { job, counts, pending, rate, secondsLeft, running, waitingFor: obstacle(job, pool), trouble };
}
