/** What the end of a call says about its worker. */
import { DeqfleetError, RetryableError } from "../../shared/errors.js";
import type { WorkerChannel } from "./worker-channel.js";

/** What an error of a call means: that the worker is lost, unless it is known better. */
export function lossOf(worker: WorkerChannel, error: unknown): DeqfleetError {
  if (error instanceof DeqfleetError) return error;
  const reason = worker.abandoned ?? DeqfleetError.messageOf(error);
  return new RetryableError(`worker ${worker.address} was lost: ${reason}`, { cause: error });
}
