/** Exit codes of the program, as documented in docs/cli.md. */
import { DeqfleetError } from "../shared/errors.js";

export const exitCodes = {
  /** Everything is done, or was done before. */
  ok: 0,
  /** Some pictures failed. */
  picturesFailed: 1,
  /** `model verify`: the model differs from what was recorded. */
  outOfTolerance: 1,
  /** The command line, its files or its inputs are wrong. */
  usage: 2,
  /** Nothing more could be done: disk full, output not writable, no worker. */
  fatal: 3,
  /** Stopped by SIGINT or SIGTERM: 128 + 2, as shells count. */
  interrupted: 130,
} as const;

/** The exit code for an error that ended the program. What was not thrown on purpose counts as fatal. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof DeqfleetError)) return exitCodes.fatal;
  switch (error.kind) {
    case "input":
      return exitCodes.usage;
    case "picture":
      return exitCodes.picturesFailed;
    case "retryable":
    case "fatal":
      return exitCodes.fatal;
  }
}
