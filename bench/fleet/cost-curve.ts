/** Cost curves in files. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { DeqfleetError, InputError } from "../../shared/errors.js";
import { costCurve, type MeasuredCall } from "../../shared/fleet/cost-curve.js";

const fileSchema = z.array(z.object({ batch: z.int(), seconds: z.number() }));

/**
 * Reads a curve: a JSON array of {"batch": 1, "seconds": 0.035}.
 * @throws InputError if the file is no such thing
 */
export async function readCostPoints(path: string): Promise<MeasuredCall[]> {
  try {
    const points = fileSchema.parse(JSON.parse(await readFile(path, "utf8")));
    costCurve(points);
    return points;
  } catch (cause) {
    const message = DeqfleetError.messageOf(cause);
    throw new InputError(`cost curve ${path}: ${message}; needed: [{"batch": 1, "seconds": 0.035}, ...]`, {
      cause,
    });
  }
}
