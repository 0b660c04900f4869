/** What happens to jobs, for logs and metrics. */
import type { JobRecord } from "../../shared/jobs/job.js";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";

/** An item at work. */
export interface ItemProgress {
  readonly index: number;
  readonly key: string;
  readonly delivery: number;
  readonly worker: string | null;
  readonly round: number | null;
  /** Largest residual of the round by its tolerance. */
  readonly residual: number | null;
}

export type JobEvent =
  | { readonly event: "job-changed"; readonly job: JobRecord }
  /** The log cannot be followed, or (`name`) its record of a job cannot be read; the other jobs go on. */
  | { readonly event: "log-trouble"; readonly name: string | null; readonly message: string }
  /** Something failed that is tried again. */
  | { readonly event: "job-trouble"; readonly job: JobRecord; readonly message: string }
  | { readonly event: "item-outcome"; readonly job: JobRecord; readonly outcome: ItemOutcome }
  /** A worker, or all of a group, has begun an item. */
  | { readonly event: "item-begun"; readonly job: JobRecord; readonly item: ItemProgress }
  /** A round of an item's cut chain has ended. */
  | { readonly event: "item-round"; readonly job: JobRecord; readonly item: ItemProgress };
