/** Jobs as messages of the public API. */
import { z } from "zod";
import { InputError } from "../../shared/errors.js";
import { goalNames, type JobRecord, type JobSpec, restorationSchema } from "../../shared/jobs/job.js";
import type { JobSpec as JobSpecMessage } from "../../shared/wire/generated/deqfleet/v1/JobSpec.js";
import type { JobStatus as JobStatusMessage } from "../../shared/wire/generated/deqfleet/v1/JobStatus.js";
import type { UnreadableJob } from "../jobs/job-log.js";
import type { JobDraft } from "../jobs/job-requests.js";
import type { JobStatus } from "../jobs/job-status.js";

/** A submission as it is asked for: name and model may be left open, the mask follows from its file. */
export type RequestedJob = Omit<JobDraft, "model" | "mask"> & { readonly model: string | null };

const orNull = (text: string | undefined): string | null => (text === undefined || text === "" ? null : text);

/** @throws InputError naming the field */
export function decodeSpec(message: JobSpecMessage | null | undefined): RequestedJob {
  const { name, input = "", output = "", restorationJson = "", model, goal, ...rest } = message ?? {};
  let restoration: unknown;
  try {
    restoration = JSON.parse(restorationJson);
  } catch (cause) {
    throw new InputError("restoration_json is no JSON; give the settings of the restoration", { cause });
  }
  const checked = restorationSchema.safeParse(restoration);
  if (!checked.success) throw new InputError(`restoration_json: ${z.prettifyError(checked.error)}`);
  const named = z.enum(goalNames).safeParse(goal);
  if (!named.success)
    throw new InputError(`goal ${JSON.stringify(goal)}: must be one of ${goalNames.join(", ")}`);
  if (input === "" || output === "") throw new InputError("input and output: give the URIs of both stores");
  const { priority = 0, weight = 0, maxDeliveries = 0 } = rest;
  return {
    name: orNull(name),
    input,
    output,
    restoration: checked.data,
    model: orNull(model),
    priority,
    weight: Number(weight),
    goal: named.data,
    maxDeliveries,
  };
}

export const encodeSpec = ({ restoration, mask, ...spec }: JobSpec): JobSpecMessage => ({
  ...spec,
  restorationJson: JSON.stringify(restoration),
  mask: mask ?? "",
});

const encodeRecord = (job: JobRecord): JobStatusMessage => ({
  spec: encodeSpec(job.spec),
  state: job.state,
  pausedBecause: job.pausedBecause ?? "",
  listed: job.listed,
  listedAll: job.listedAll,
  generation: job.generation,
  createdAt: job.createdAt,
  updatedAt: job.updatedAt,
  finishedAt: job.finishedAt ?? "",
});

/** A job of which nothing is known but its record. */
export const encodeUntold = (job: JobRecord, trouble: string): JobStatusMessage => ({
  ...encodeRecord(job),
  trouble,
});

/** A job of which not even that is known. */
export const encodeUnreadable = ({ name, reason }: UnreadableJob): JobStatusMessage => ({
  spec: { name },
  state: "unknown",
  trouble: reason,
});

export function encodeStatus(status: JobStatus): JobStatusMessage {
  const { job, counts, pending, rate, secondsLeft, running, waitingFor, trouble } = status;
  return {
    ...encodeRecord(job),
    counts,
    pending,
    rate,
    ...(secondsLeft === null ? {} : { secondsLeft }),
    running: running.map(({ worker, round, residual, ...item }) => ({
      ...item,
      worker: worker ?? "",
      round: round ?? 0,
      ...(residual === null ? {} : { residual }),
    })),
    waitingFor: waitingFor ?? "",
    trouble: trouble ?? "",
  };
}
