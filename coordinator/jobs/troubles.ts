/**
 * Telling of what fails and is tried again, which may be often: each trouble of a job is told when it begins, and again once a
 * minute while it lasts.
 */
import { DeqfleetError } from "../../shared/errors.js";
import type { JobRecord } from "../../shared/jobs/job.js";
import type { JobEvent } from "./job-event.js";

/** Before the same is told again. */
const againSeconds = 60;

/** The troubles of all jobs of a coordinator. */
export class Troubles {
  readonly #onEvent: (event: JobEvent) => void;
  readonly #now: () => number;
  /** When it was last told, by job and message: the longest ago first. */
  readonly #told = new Map<string, number>();

  /** @param now seconds since an arbitrary moment, of a clock that never goes back */
  constructor(onEvent: (event: JobEvent) => void, now: () => number = () => performance.now() / 1000) {
    this.#onEvent = onEvent;
    this.#now = now;
  }

  /** Tells of an error, unless the same of this job was told within the last minute. */
  tell(job: JobRecord, error: unknown): void {
    const now = this.#now();
    for (const [told, at] of this.#told) {
      if (now - at < againSeconds) break;
      this.#told.delete(told);
    }
    const message = DeqfleetError.messageOf(error);
    const trouble = `${job.spec.name} ${message}`;
    if (this.#told.has(trouble)) return;
    this.#told.set(trouble, now);
    this.#onEvent({ event: "job-trouble", job, message });
  }
}
