/** The log of an output folder: the embedded one, used by one run at a time. */
import { join } from "node:path";
import { DeqfleetError, type FatalError, RetryableError } from "../../shared/errors.js";
import { makeFolder } from "../../shared/make-folder.js";
import { writeFailure } from "../../shared/pictures/atomic-write.js";
import { EmbeddedLog } from "../jobs/embedded-log/embedded-log.js";

/** Where it lies. */
export const restoreLogFolder = (out: string): string => join(out, ".deqfleet", "restore.d");

/**
 * Opens it, creating both.
 * @throws FatalError if the folder is not writable or its files are damaged, InputError if another run uses it
 */
export async function openRestoreLog(out: string): Promise<EmbeddedLog> {
  const folder = restoreLogFolder(out);
  try {
    await makeFolder(folder);
    // What a run has taken nobody else can take, however long it works on it.
    return await EmbeddedLog.open(folder, { ackMilliseconds: Number.POSITIVE_INFINITY });
  } catch (cause) {
    if (cause instanceof DeqfleetError) throw cause;
    throw writeFailure(folder, cause);
  }
}

/** A log on the disk that the outputs go to: where it has no room, nothing has. @throws FatalError in place of RetryableError */
export async function orStop<Result>(out: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error;
    throw writeFailure(restoreLogFolder(out), error.cause ?? error) satisfies FatalError;
  }
}
