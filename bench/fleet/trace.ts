/**
 * Convergence traces: what a simulation has to know of a real chain. A round evaluates some states from the first that is
 * not final on; which they are depends on the method, not on where the chain is cut.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { DeqfleetError, InputError } from "../../shared/errors.js";
import { taskNames } from "../../shared/operators/task.js";

const traceSchema = z
  .object({
    photo: z.string(),
    task: z.enum(taskNames),
    method: z.string(),
    /** T. */
    steps: z.int().min(1),
    /** States final after round 1, 2, ..., of T; the last round is the one that converged. */
    done: z.array(z.int().min(1)).min(1),
    /** States evaluated in round 1, 2, ...: those from the first that was not final on. */
    evaluated: z.array(z.int().min(1)).min(1),
  })
  .refine(
    ({ done, steps }) => done.every((d, i) => d <= steps && d > (done[i - 1] ?? 0)),
    "`done` must grow by at least one a round, to T at most",
  )
  .refine(
    ({ done, evaluated, steps }) =>
      evaluated.length === done.length && evaluated.every((n, i) => n <= steps - (done[i - 1] ?? 0)),
    "`evaluated` must have as many rounds as `done`, and in each no more states than are left",
  );

/** One recorded chain. */
export type Trace = Readonly<z.infer<typeof traceSchema>>;

const traceFileSchema = z.object({
  /** Where the traces come from. */
  provenance: z.object({
    recorded: z.string(),
    deqfleet: z.string(),
    /** SHA-256 of the model file. */
    model: z.string(),
    /** Side of the square pictures. */
    size: z.int(),
    tolerance: z.number(),
    seed: z.int(),
  }),
  traces: z.array(traceSchema).min(1),
});

/** A file of traces. */
export type TraceFile = Readonly<z.infer<typeof traceFileSchema>>;

/** Evaluations of a chain without losses. */
export const evaluationsOf = ({ evaluated }: Trace): number =>
  evaluated.reduce((sum, states) => sum + states, 0);

/**
 * Reads a file of traces.
 * @throws InputError if it cannot be read or is none
 */
export async function readTraces(path: string): Promise<TraceFile> {
  try {
    return traceFileSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw new InputError(
      `traces ${path} cannot be used: ${DeqfleetError.messageOf(cause)}; record them anew with --record-traces`,
      { cause },
    );
  }
}

/** The file's text: one trace a line, so that a change of one shows as one. */
export function traceFileText({ provenance, traces }: TraceFile): string {
  const lines = traces.map((trace) => `  ${JSON.stringify(trace)}`).join(",\n");
  return `{\n "provenance": ${JSON.stringify(provenance)},\n "traces": [\n${lines}\n ]\n}\n`;
}
