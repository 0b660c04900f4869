/**
 * The outcomes of a job that count: of an item's, the one of the highest generation, and of those the first.
 *
 * The log is read twice: once for the generations that retried items have reached, once to give the outcomes. What is recorded
 * between or during the two is not given, so that the result is the state of one moment.
 *
 * Memory: a bit an item, and four bytes an item up to the last one that was retried; for a million items that never were 128 KiB.
 */
import { RetryableError } from "../../shared/errors.js";
import { type ItemOutcome, type OutcomeStatus, outcomeStatuses } from "../../shared/jobs/work-item.js";
import { NumberSet } from "./embedded-log/number-set.js";

/** A line of a log: an outcome, or a note (any other status) of what happens to an item before it has one. */
export type OutcomeLine = Omit<ItemOutcome, "status"> & { readonly status: string };

/** The outcome that counts for its item. */
export type StandingOutcome = Omit<ItemOutcome, "status"> & { readonly status: OutcomeStatus };

/** What is needed of a JobLog. */
export interface OutcomeSource {
  outcomes(
    name: string,
    options: { readonly follow: boolean; readonly signal: AbortSignal },
  ): AsyncIterable<OutcomeLine>;
}

const hasEnded = (line: OutcomeLine): line is StandingOutcome =>
  (outcomeStatuses as readonly string[]).includes(line.status);

/** The highest generation of each item that any line is of. */
class Generations {
  #highest = new Uint32Array(0);

  raise(index: number, generation: number): void {
    if (generation <= this.of(index)) return;
    if (index >= this.#highest.length) {
      const larger = new Uint32Array(Math.max(2 * this.#highest.length, index + 1));
      larger.set(this.#highest);
      this.#highest = larger;
    }
    this.#highest[index] = generation;
  }

  of(index: number): number {
    return this.#highest[index] ?? 0;
  }
}

/**
 * One outcome for every item that has one, in the order in which they were recorded. An item that a retry brought back and that
 * has not ended again has none.
 * @throws the signal's reason once it aborts; RetryableError if the log is unreachable, or has lost lines between the readings
 */
export async function* standingOutcomes(
  log: OutcomeSource,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<StandingOutcome, void, undefined> {
  let lines = 0;
  const reached = new Generations();
  for await (const { index, generation } of log.outcomes(name, { follow: false, signal })) {
    lines++;
    reached.raise(index, generation);
  }
  // A log that is told to stop just ends: what was read then is not all of it.
  signal.throwIfAborted();

  const given = new NumberSet();
  let read = 0;
  if (lines === 0) return;
  for await (const line of log.outcomes(name, { follow: false, signal })) {
    if (hasEnded(line) && !given.has(line.index) && line.generation >= reached.of(line.index)) {
      given.add(line.index);
      yield line;
    }
    if (++read === lines) return;
  }
  signal.throwIfAborted();
  throw new RetryableError(
    `the log of job ${name} had ${lines} lines of outcomes and now has ${read}: it was removed meanwhile; ask again`,
  );
}
