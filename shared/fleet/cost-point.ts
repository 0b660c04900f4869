/** What a network call costs on a device: one measured point of its cost curve. */
import { z } from "zod";

export const costPointSchema = z.strictObject({
  /** States in the call, 1 or more. */
  batch: z.int().min(1),
  height: z.int().min(1),
  width: z.int().min(1),
  /** Median over the latest calls. */
  seconds: z.number().min(0),
  /** Calls measured so far. */
  calls: z.int().min(1),
});
export type CostPoint = z.infer<typeof costPointSchema>;
