/** Keeps a job's tally up with the log of its outcomes. */
import { RetryableError } from "../../shared/errors.js";
import { type Insisting, insist } from "./insist.js";
import type { JobLog } from "./job-log.js";
import { Tally } from "./tally.js";

/**
 * Reads what the log holds.
 * @returns a tally of all of it
 * @throws RetryableError if the log is unreachable until the signal aborts, else the signal's reason
 */
export async function replayOutcomes(log: JobLog, name: string, insisting: Insisting): Promise<Tally> {
  const { signal } = insisting;
  const tally = new Tally();
  await insist(async () => {
    for await (const outcome of log.outcomes(name, { follow: false, signal })) tally.apply(outcome);
  }, insisting);
  signal.throwIfAborted();
  return tally;
}

/** Applies what is recorded from now on, by whichever coordinator, until the signal aborts. */
export async function followOutcomes(
  log: JobLog,
  name: string,
  tally: Tally,
  insisting: Insisting,
  onChange: () => void,
): Promise<void> {
  const { signal } = insisting;
  try {
    await insist(async () => {
      // From the beginning: what the tally knows already changes nothing.
      for await (const outcome of log.outcomes(name, { follow: true, signal })) {
        if (tally.apply(outcome)) onChange();
      }
    }, insisting);
  } catch (error) {
    if (!(error instanceof RetryableError && signal.aborted)) throw error;
  }
}
