/** Options of `deqfleet submit`: how pictures are restored, and how the job is treated. */
import { z } from "zod";
import { goalNames } from "../jobs/goal.js";
import { jobSpecSchema } from "../jobs/job.js";
import { readOptionsFile } from "./options.js";
import { restoreOptionsSchema } from "./restore-settings.js";

const { priority, weight, maxDeliveries } = jobSpecSchema.shape;

/** The options by their names in a configuration file. What a job's fleet decides (workers, batches, reports) is not among them. */
export const submitOptionsSchema = z
  .strictObject({
    ...restoreOptionsSchema.omit({
      out: true,
      workers: true,
      threads: true,
      device: true,
      batch: true,
      listen: true,
      report: true,
      contactSheet: true,
      json: true,
      quiet: true,
    }).shape,
    priority,
    weight,
    goal: z.enum(goalNames),
    maxDeliveries,
  })
  .partial();

/** Options given by a user; what is left out takes its default. */
export type SubmitOptions = z.infer<typeof submitOptionsSchema>;

/**
 * Reads them from a YAML file.
 * @throws InputError if the file cannot be read, is no mapping, or an option is unknown, given twice or wrong
 */
export const readSubmitFile = (file: string): Promise<SubmitOptions> =>
  readOptionsFile(file, submitOptionsSchema, ["mask", "model"]);
