/** The report of a run, and its schema: docs/report.md explains every field. */
import { z } from "zod";
import { type MethodName, methodNames } from "../../shared/chain/method.js";
import { planNames, restoreSettingsSchema } from "../../shared/config/restore-settings.js";
import { goalNames } from "../../shared/jobs/goal.js";
import { writeFileAtomic } from "../../shared/pictures/atomic-write.js";
import { fallbackReasons } from "../solver/fallback.js";

/** Raised whenever a reader of older reports would misunderstand a newer one. */
export const reportSchemaVersion = 2;

/** What became of a picture. */
export const itemStatuses = ["done", "skipped", "failed", "cancelled"] as const;
export type ItemStatus = (typeof itemStatuses)[number];

const chosenPlan = z.enum(["serial", "time-parallel"]);
const count = z.int().min(0);
/** Numbers that may be unknown, or not finite: JSON can hold neither. */
const quantity = z.number().nullable();

/** Seconds until the last picture, and from a picture's beginning to its end. */
const planTimes = z.strictObject({ seconds: z.number(), latency: z.number() });

/** One picture. */
export const reportItemSchema = z.strictObject({
  input: z.string(),
  output: z.string(),
  status: z.enum(itemStatuses),
  plan: chosenPlan.nullable(),
  method: z.enum(methodNames as [MethodName, ...MethodName[]]),
  steps: count,
  rounds: count.nullable(),
  evaluations: count.nullable(),
  residuals: z.array(quantity),
  converged: z.boolean().nullable(),
  consistency: quantity,
  psnr: quantity,
  ssim: quantity,
  seconds: z.strictObject({ total: quantity, model: quantity, wire: quantity, other: quantity }),
  error: z.string().optional(),
  attempts: count.optional(),
  losses: count.optional(),
  moved: count.optional(),
  fallback: z.strictObject({ round: count, reason: z.enum(fallbackReasons) }).optional(),
  measurement: z.string().optional(),
});

/** One picture's result. */
export type ReportItem = z.infer<typeof reportItemSchema>;

const workerSchema = z.strictObject({
  name: z.string(),
  pid: z.int(),
  address: z.string(),
  device: z.string(),
  threads: count,
  version: z.string(),
  restarts: count,
});

/** A whole report. */
export const reportSchema = z.strictObject({
  schemaVersion: z.literal(reportSchemaVersion),
  run: z.strictObject({
    /** `failed`: the run stopped early, see `error`. */
    status: z.enum(["finished", "cancelled", "failed"]),
    error: z.string().optional(),
    settings: restoreSettingsSchema,
    model: z.strictObject({ path: z.string(), hash: z.string() }),
    machine: z.strictObject({
      cpu: z.string(),
      cores: count,
      memory: count,
      os: z.string(),
      node: z.string(),
    }),
    workers: z.array(workerSchema),
    versions: z.strictObject({
      deqfleet: z.string(),
      node: z.string(),
      onnxruntime: z.string(),
      grpc: z.string(),
    }),
    plan: z.strictObject({
      requested: z.enum(planNames),
      goal: z.enum(goalNames),
      chosen: chosenPlan.nullable(),
      sideBySide: count.nullable(),
      slices: count.nullable(),
      reason: z.string(),
      costs: z.enum(["measured", "cached", "unknown"]).nullable(),
      predicted: planTimes.nullable(),
      outcome: planTimes.nullable(),
      alternatives: z.array(
        z.strictObject({
          plan: chosenPlan,
          sideBySide: count,
          slices: count,
          predicted: planTimes.nullable(),
        }),
      ),
    }),
    startedAt: z.iso.datetime(),
    finishedAt: z.iso.datetime(),
    seconds: z.number(),
    counts: z.strictObject({ done: count, skipped: count, failed: count, cancelled: count }),
  }),
  items: z.array(reportItemSchema),
});

/** What a run leaves behind beside the pictures. */
export type RestoreReport = z.infer<typeof reportSchema>;

/** How many pictures ended how. */
export function countItems(items: readonly ReportItem[]): RestoreReport["run"]["counts"] {
  const counts = { done: 0, skipped: 0, failed: 0, cancelled: 0 };
  for (const { status } of items) counts[status]++;
  return counts;
}

/**
 * Checks a report against its own schema and writes it atomically.
 * @throws FatalError if it cannot be written
 */
export async function writeReport(path: string, report: RestoreReport): Promise<void> {
  const text = `${JSON.stringify(reportSchema.parse(report), null, 2)}\n`;
  await writeFileAtomic(path, new TextEncoder().encode(text));
}
