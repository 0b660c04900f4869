/** What happens to jobs, for logs and metrics. */
import type { JobRecord } from "../../shared/jobs/job.js";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";

export type JobEvent =
  | { readonly event: "job-changed"; readonly job: JobRecord }
  /** Something failed that is tried again. */
  | { readonly event: "job-trouble"; readonly job: JobRecord; readonly message: string }
  | { readonly event: "item-outcome"; readonly job: JobRecord; readonly outcome: ItemOutcome };
