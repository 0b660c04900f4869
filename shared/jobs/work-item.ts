/** One picture of a job: what a queue carries, and what became of it. */
import { z } from "zod";

/** A picture to restore. */
export const workItemSchema = z.strictObject({
  /** Number in its job, in the order of the listing. */
  index: z.int().min(0),
  /** Of the retry that published it; an outcome counts for this and all earlier generations. */
  generation: z.int().min(0),
  /** Key in the input store; also the picture's identity for its noise. */
  key: z.string().min(1),
  bytes: z.int().min(0),
});
export type WorkItem = z.infer<typeof workItemSchema>;

/**
 * - `done`: the output is complete and visible.
 * - `failed`: this picture cannot be restored (unreadable, not finite); trying again would end the same way.
 * - `dead`: given up after the job's number of deliveries.
 * - `dropped`: the job was cancelled before it was begun.
 */
export const outcomeStatuses = ["done", "failed", "dead", "dropped"] as const;
export type OutcomeStatus = (typeof outcomeStatuses)[number];

/**
 * What is noted of items that have no outcome yet:
 * - `retried`: a delivery failed in a way that may pass; it is given out again, and the errors so far are kept.
 * - `returned`: a delivery ended because its worker or its coordinator was told to stop; it does not count as a try of the item.
 * - `requeued`: a retry brought it back; earlier outcomes do not count any more.
 */
export const notedStatuses = ["retried", "returned", "requeued"] as const;
export type NotedStatus = (typeof notedStatuses)[number];

/** How the chain of a restored picture went, beyond what an outcome has columns for. */
export const chainCourseSchema = z.strictObject({
  converged: z.boolean(),
  /** Largest residual ratio of every round; null where it was not finite. */
  residuals: z.array(z.number().nullable()),
  /** Slices that were lost and re-seeded. */
  losses: z.int().min(0),
  /** Steps of a cut chain that changed hands when borders moved. */
  moved: z.int().min(0).optional(),
  /** The round before which the method was given up, and why. */
  fallback: z.strictObject({ round: z.int().min(0), reason: z.string() }).optional(),
  /** Seconds of the network's calls, and of waiting for the wire. */
  seconds: z.strictObject({ model: z.number(), wire: z.number() }),
});
export type ChainCourse = z.infer<typeof chainCourseSchema>;

/** What became of an item. One line of the job's manifest, if it is the outcome that counts. */
export const itemOutcomeSchema = z.strictObject({
  index: z.int().min(0),
  generation: z.int().min(0),
  key: z.string().min(1),
  status: z.enum([...outcomeStatuses, ...notedStatuses]),
  /** Key in the output store, and SHA-256 of what lies there; null unless `done`. */
  output: z.string().nullable(),
  sha256: z.string().nullable(),
  /** Errors of all deliveries that failed, the last one last. */
  errors: z.array(z.string()),
  /** Number of its delivery, those that were returned among them; 0 for an item that was never begun. */
  deliveries: z.int().min(0),
  /** Which worker restored it, and how; null unless `done`. */
  worker: z.string().nullable(),
  plan: z.string().nullable(),
  rounds: z.int().nullable(),
  evaluations: z.int().nullable(),
  /** Largest residual ratio of the last round; null for whole chains. */
  residual: z.number().nullable(),
  consistency: z.number().nullable(),
  psnr: z.number().nullable(),
  ssim: z.number().nullable(),
  /** Seconds from its delivery to this outcome; where a course is given, from when a worker began it. */
  seconds: z.number(),
  /** ISO 8601. */
  at: z.string(),
  /** SHA-256 of the input it was made from, hex, and how its chain went: kept of `done` items by `deqfleet restore`. */
  inputSha256: z.string().optional(),
  course: chainCourseSchema.optional(),
});
export type ItemOutcome = z.infer<typeof itemOutcomeSchema>;
