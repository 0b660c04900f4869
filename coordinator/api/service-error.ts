/** From anything thrown to the answer of the public API: status code, message, and what the caller may do next. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { DeqfleetError, InputError, PictureError, RetryableError } from "../../shared/errors.js";
import { type ErrorReason, errorMetadata } from "../../shared/wire/api-error.js";
import { JobNotEndedError } from "../jobs/delete-job.js";
import { JobDiffersError, NoSuchJobError, NoWorkerError } from "../jobs/job-requests.js";

function codeOf(error: unknown): { readonly code: status; readonly reason?: ErrorReason } {
  if (error instanceof NoSuchJobError) return { code: status.NOT_FOUND, reason: "no-such-job" };
  if (error instanceof JobDiffersError) return { code: status.ALREADY_EXISTS, reason: "job-differs" };
  if (error instanceof JobNotEndedError) return { code: status.FAILED_PRECONDITION, reason: "job-not-ended" };
  if (error instanceof NoWorkerError) return { code: status.FAILED_PRECONDITION, reason: "no-worker" };
  if (error instanceof InputError || error instanceof PictureError) return { code: status.INVALID_ARGUMENT };
  if (error instanceof RetryableError) return { code: status.UNAVAILABLE };
  return { code: status.INTERNAL };
}

/** The answer to a call that failed. */
export function serviceError(error: unknown): Partial<ServiceError> {
  const { code, reason } = codeOf(error);
  const kind = error instanceof DeqfleetError ? error.kind : "fatal";
  return { code, details: DeqfleetError.messageOf(error), metadata: errorMetadata(kind, reason) };
}
