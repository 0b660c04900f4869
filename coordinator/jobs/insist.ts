/** Asking the log again while it is unreachable. */
import { setTimeout as delay } from "node:timers/promises";
import { RetryableError } from "../../shared/errors.js";

const shortestMilliseconds = 100;
const longestMilliseconds = 10_000;

/** Milliseconds before attempt number `attempt` + 1, doubling from `shortest` to `longest`. */
export const backoff = (attempt: number, shortest: number, longest: number): number =>
  Math.min(longest, shortest * 2 ** Math.min(attempt - 1, 30));

/** For how long something is insisted on, and who hears of it. */
export interface Insisting {
  readonly signal: AbortSignal;
  /** Hears of every error after which it is tried again. */
  trouble(error: unknown): void;
}

/**
 * Does something until it does not fail with RetryableError: it has to be something that may be done twice.
 * @throws what `operation` throws that is no RetryableError, and the last RetryableError once the signal aborts
 */
export async function insist<Result>(
  operation: () => Promise<Result>,
  insisting: Insisting,
): Promise<Result> {
  const { signal } = insisting;
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof RetryableError) || signal.aborted) throw error;
      insisting.trouble(error);
      const milliseconds = backoff(attempt, shortestMilliseconds, longestMilliseconds);
      await delay(milliseconds, undefined, { signal }).catch(() => {});
    }
  }
}
