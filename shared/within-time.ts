/** Limits on waiting for something. */
import { RetryableError } from "./errors.js";

/**
 * Waits for `work`, but no longer than `milliseconds`, and no longer than until `signal` aborts.
 * @param who names the culprit in the error
 * @throws RetryableError when the time is up, the signal's reason when it aborts
 */
export async function withinTime<Result>(
  milliseconds: number,
  who: string,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  let onAbort = () => {};
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new RetryableError(`${who} did not answer within ${milliseconds / 1000} s`)),
      milliseconds,
    );
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work(), limit]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Waits for `work`, but no longer than until `signal` aborts.
 * @throws the signal's reason when it aborts
 */
export async function unlessAborted<Result>(
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
