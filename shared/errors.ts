/**
 * Errors typed by what the caller may do next.
 *
 * - {@link InputError}: the user gave something that cannot work; mending the input is the only remedy.
 * - {@link PictureError}: this one picture cannot be restored; the others can.
 * - {@link RetryableError}: the same call may succeed later or elsewhere (a worker died, a call timed out).
 * - {@link ReturnedError}: likewise, and nothing is known to be wrong with what was called for.
 * - {@link FatalError}: nothing more can be done by this process (disk full, output not writable).
 */

/** What the caller may do next. */
export type ErrorKind = "input" | "picture" | "retryable" | "fatal";

/** Base of every error deqfleet throws on purpose. */
export class DeqfleetError extends Error {
  /** What the caller may do next. */
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.kind = kind;
  }

  /** The message of anything thrown, without a stack. */
  static messageOf(thrown: unknown): string {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** The caller's input is wrong: the message names the input, the value and the remedy. */
export class InputError extends DeqfleetError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("input", message, options);
  }
}

/** One picture cannot be restored (unreadable, wrong size, non-finite network output); the others go on. */
export class PictureError extends DeqfleetError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("picture", message, options);
  }
}

/** The same operation may succeed later or on another worker. */
export class RetryableError extends DeqfleetError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("retryable", message, options);
  }
}

/**
 * Whoever had the work gave it back because it is told to stop. Unlike any other RetryableError this says nothing about the work,
 * which may be given out again as if it had not been tried.
 */
export class ReturnedError extends RetryableError {}

/** The whole run has to stop (disk full, output folder not writable, no worker can be started). */
export class FatalError extends DeqfleetError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("fatal", message, options);
  }
}
