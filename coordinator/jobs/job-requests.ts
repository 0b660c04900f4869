/** What users ask of jobs, as changes of their records. */
import { createHash } from "node:crypto";
import { InputError } from "../../shared/errors.js";
import { type JobRecord, type JobSpec, jobSpecSchema } from "../../shared/jobs/job.js";
import type { OutcomeStatus } from "../../shared/jobs/work-item.js";
import { highestGeneration } from "./tally.js";

/** A job of that name exists, and is to do something else. */
export class JobDiffersError extends InputError {}

/** There is no such job. */
export class NoSuchJobError extends InputError {
  constructor(name: string) {
    super(`there is no job ${JSON.stringify(name)}; deqfleet jobs lists those there are`);
  }
}

/** A job takes its model from the workers, and there is none yet. */
export class NoWorkerError extends InputError {
  constructor() {
    super(
      "no worker has joined yet, so no model is known: name one by its file (--model FILE), or start a worker first",
    );
  }
}

/** A job whose name may be left open. */
export type JobDraft = Omit<JobSpec, "name"> & { readonly name: string | null };

/** Digits of the hash in a name that nobody chose. */
const nameDigits = 8;

/** The last part of a store's path, as a name permits it. */
function slug(uri: string): string {
  const last = decodeURIComponent(uri).split("/").filter(Boolean).at(-1) ?? "";
  const plain = last
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return plain.slice(0, 40).replace(/-+$/, "") || "job";
}

/** The name of a job that was given none: the same for everything its outputs depend on. */
export function defaultName({ input, output, restoration, model, mask }: JobDraft): string {
  const settings = JSON.stringify([input, output, restoration, model, mask]);
  const hash = createHash("sha256").update(settings).digest("hex");
  return `${slug(input)}-${hash.slice(0, nameDigits)}`;
}

/**
 * Names the draft if need be, and checks it.
 * @throws InputError naming the first field that is wrong and its value
 */
export function jobSpecOf(draft: JobDraft): JobSpec {
  const { success, data, error } = jobSpecSchema.safeParse({
    ...draft,
    name: draft.name ?? defaultName(draft),
  });
  if (success) return data;
  const [issue] = error.issues;
  const value = issue.path.reduce<unknown>(
    (within, key) => (within as Record<PropertyKey, unknown> | undefined)?.[key],
    draft,
  );
  throw new InputError(`${issue.path.join(".")} ${JSON.stringify(value)}: ${issue.message}`);
}

/** The record of a job nobody has worked on. */
export const newJob = (spec: JobSpec, now: Date): JobRecord => ({
  spec,
  state: "active",
  pausedBecause: null,
  listed: 0,
  cursor: null,
  listedAll: false,
  generation: 0,
  requeue: [],
  requeued: 0,
  counts: null,
  createdAt: now.toISOString(),
  updatedAt: now.toISOString(),
  finishedAt: null,
});

/** Every field that differs, `weight: then 1, now 2`. */
export function differences(then: unknown, now: unknown, path = ""): string[] {
  if (typeof then === "object" && typeof now === "object" && then !== null && now !== null) {
    const fields = new Set([...Object.keys(then), ...Object.keys(now)]);
    return [...fields].flatMap((field) =>
      differences(
        (then as Record<string, unknown>)[field],
        (now as Record<string, unknown>)[field],
        path === "" ? field : `${path}.${field}`,
      ),
    );
  }
  if (then === now) return [];
  const shown = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value));
  return [`${path}: then ${shown(then)}, now ${shown(now)}`];
}

/** @throws JobDiffersError if a job was submitted with other settings */
export function checkSame(present: JobSpec, again: JobSpec): void {
  const different = differences(present, again);
  if (different.length === 0) return;
  throw new JobDiffersError(
    `job ${JSON.stringify(present.name)} exists with other settings (${different.join("; ")}); give the same ones to go on with it, or another --name`,
  );
}

/** @throws InputError if the job's deletion has begun */
export function checkNotDeleting({ deleting, spec: { name } }: JobRecord): void {
  if (deleting) {
    throw new InputError(
      `job ${name} was being deleted when that was interrupted; go on: deqfleet delete ${name}`,
    );
  }
}

/** The record with items of these outcomes to be published again. */
export function requeued(job: JobRecord, statuses: readonly OutcomeStatus[], now: Date): JobRecord {
  checkNotDeleting(job);
  if (job.generation >= highestGeneration) {
    throw new InputError(`job ${job.spec.name} was retried ${job.generation} times; submit it anew`);
  }
  return {
    ...job,
    state: "active",
    pausedBecause: null,
    generation: job.generation + 1,
    requeue: [...new Set([...job.requeue, ...statuses])],
    requeued: 0,
    counts: null,
    finishedAt: null,
    updatedAt: now.toISOString(),
  };
}

/** A job that is submitted again: one that was cancelled goes on, any other as it is. */
export function resumed(job: JobRecord, now: Date): JobRecord | undefined {
  checkNotDeleting(job);
  return job.state === "cancelled" ? requeued(job, ["dropped"], now) : undefined;
}

/** @throws InputError if the job is finished */
export function cancelled(job: JobRecord, now: Date): JobRecord | undefined {
  if (job.state === "cancelled") return undefined;
  if (job.state === "finished") {
    throw new InputError(`job ${job.spec.name} is finished: there is nothing to cancel`);
  }
  return { ...job, state: "cancelled", pausedBecause: null, updatedAt: now.toISOString() };
}

/**
 * A retry of items that failed, and, unless only those are wanted, of those that were given up.
 * @throws InputError if there is none, or the job was cancelled
 */
export function retried(job: JobRecord, statuses: readonly OutcomeStatus[], now: Date): JobRecord {
  if (job.state === "cancelled") {
    throw new InputError(`job ${job.spec.name} was cancelled; submit it again, then retry`);
  }
  if (job.requeue.length > 0) {
    throw new InputError(`job ${job.spec.name} is being retried already; watch it`);
  }
  return {
    ...requeued(job, statuses, now),
    state: job.state === "paused" ? "paused" : "active",
    pausedBecause: job.pausedBecause,
  };
}
