/** A dataset job: what it is to do, and what is known of it. Both are durable, and the same in every log. */
import { z } from "zod";
import { type MethodName, methodNames } from "../chain/method.js";
import { planNames } from "../config/restore-settings.js";
import { timestepSpacings } from "../diffusion/noise-schedule.js";
import { taskSchema } from "../operators/task.js";
import { goalNames } from "./goal.js";
import { outcomeStatuses } from "./work-item.js";

export { type Goal, goalNames } from "./goal.js";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A job's name is its identity: letters, digits and dashes, as in a DNS label. */
export const jobNameSchema = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be a DNS label: lower-case letters, digits, dashes, at most 63",
  );

/** How every picture of a job is restored. Together with picture and model it determines the output's bytes. */
export const restorationSchema = z.strictObject({
  task: taskSchema,
  simulate: z.boolean(),
  steps: z.int().min(1),
  start: z.int().min(1),
  spacing: z.enum(timestepSpacings),
  etw: z.number(),
  nw: z.number(),
  seed: z.int().min(0),
  method: z.enum(methodNames as [MethodName, ...MethodName[]]),
  tol: z.number().gt(0),
  maxRounds: z.int().min(1).nullable(),
  window: z.int().min(1).nullable(),
  plan: z.enum(planNames),
  maxPixels: z.int().min(1),
});
export type Restoration = z.infer<typeof restorationSchema>;

/** What a job is to do; never changes once it is submitted. */
export const jobSpecSchema = z.strictObject({
  name: jobNameSchema,
  /** Store of the inputs, `file:///...` or `s3://bucket/prefix`; of `deqfleet restore` its inputs as given, one a line. */
  input: z.string().min(1),
  /** Store of the outputs. */
  output: z.string().min(1),
  restoration: restorationSchema,
  /** SHA-256 of the model file. Only workers with this model take items. */
  model: sha256,
  /** SHA-256 of the inpainting mask, which lies in the output store under {@link maskKey}; null without one. */
  mask: sha256.nullable(),
  /** Jobs of a higher priority are served first. */
  priority: z.int().min(0).max(9),
  /** Share of the fleet among jobs of one priority. */
  weight: z.number().gt(0).max(1000),
  goal: z.enum(goalNames),
  /** Deliveries of an item before it is dead. */
  maxDeliveries: z.int().min(1).max(100),
});
export type JobSpec = z.infer<typeof jobSpecSchema>;

/** Where a job keeps its own files in its output store. */
export const jobFolder = (name: string): string => `.deqfleet/${name}`;
export const maskKey = (name: string): string => `${jobFolder(name)}/mask.png`;

/**
 * - `active`: items are listed and worked on.
 * - `paused`: nothing is begun until the reason is gone (a full disk, an unreachable store); goes on by itself.
 * - `cancelled`: by a user; items not begun are dropped.
 * - `finished`: every item has an outcome.
 */
export const jobStates = ["active", "paused", "cancelled", "finished"] as const;
export type JobState = (typeof jobStates)[number];

const count = z.int().min(0);

/** How many items ended how. */
export const outcomeCountsSchema = z.strictObject({
  done: count,
  failed: count,
  dead: count,
  dropped: count,
});
export type OutcomeCounts = z.infer<typeof outcomeCountsSchema>;

/** What is known of a job. */
export const jobRecordSchema = z.strictObject({
  spec: jobSpecSchema,
  state: z.enum(jobStates),
  /** Why it is paused; null otherwise. */
  pausedBecause: z.string().nullable(),
  /** Items published so far: their numbers are 0 .. listed - 1. */
  listed: count,
  /** Key of the last input published; listing goes on behind it. */
  cursor: z.string().nullable(),
  /** Whether the listing is complete. */
  listedAll: z.boolean(),
  /** Raised by every retry of failed items. */
  generation: z.int().min(0),
  /** Items with these outcomes are still to be published again, in the present generation. */
  requeue: z.array(z.enum(outcomeStatuses)),
  /** How many items the present generation published again; 0 in the first. */
  requeued: count,
  /** How its items ended; null until they have. Before that the counts follow from the log of outcomes. */
  counts: outcomeCountsSchema.nullable(),
  /** ISO 8601. */
  createdAt: z.string(),
  updatedAt: z.string(),
  finishedAt: z.string().nullable(),
  /** Its deletion has begun; only that can be gone on with. */
  deleting: z.boolean().optional(),
});
export type JobRecord = z.infer<typeof jobRecordSchema>;
