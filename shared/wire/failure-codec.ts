/** Errors as messages: what crosses is their kind, which says what the caller may do next. */
import {
  DeqfleetError,
  FatalError,
  InputError,
  PictureError,
  RetryableError,
  ReturnedError,
} from "../errors.js";
import { StoreFullError, StoreUnavailableError } from "../storage/object-store.js";
import type { Failure } from "./generated/deqfleet/v1/Failure.js";

/** Whatever was thrown; what was not foreseen may go better elsewhere. */
export function encodeFailure(error: unknown): Failure {
  const message = DeqfleetError.messageOf(error);
  if (error instanceof StoreFullError) return { kind: "store-full", message };
  if (error instanceof StoreUnavailableError) return { kind: "store", message };
  if (error instanceof ReturnedError) return { kind: "returned", message };
  return { kind: error instanceof DeqfleetError ? error.kind : "retryable", message };
}

/** The error that a peer told of. */
export function decodeFailure({ kind, message = "" }: Failure): DeqfleetError {
  if (kind === "picture") return new PictureError(message);
  if (kind === "input") return new InputError(message);
  if (kind === "fatal") return new FatalError(message);
  if (kind === "store-full") return new StoreFullError(message);
  if (kind === "store") return new StoreUnavailableError(message);
  if (kind === "returned") return new ReturnedError(message);
  return new RetryableError(message);
}
