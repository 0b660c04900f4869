/**
 * What is known of a job's items from the log of outcomes: which have one, how they ended, how fast. It is fed with the log
 * from its beginning, and may be fed with any part of it again: what it knows already changes nothing.
 *
 * Invariants:
 * 1. Of an item's outcomes the one of the highest generation counts, and of those the first.
 * 2. A `requeued` line of a generation takes back what counted before it, and comes too late if an outcome of that
 *    generation is known.
 * 3. Memory: four bytes an item, and what is noted of those that are being tried again.
 */
import type { OutcomeCounts } from "../../shared/jobs/job.js";
import { type ItemOutcome, type OutcomeStatus, outcomeStatuses } from "../../shared/jobs/work-item.js";

/** Seconds over which the rate is measured. */
const rateWindow = 60;

/** An item's four bytes: its generation, and in the lowest bits its status; 0 is none. */
const statusBits = 3;
const statusMask = (1 << statusBits) - 1;

/** Generations that fit beside a status, in a number that shifts leave positive. */
export const highestGeneration = (1 << (31 - statusBits)) - 1;

/** What is noted of an item without an outcome. */
interface Notes {
  readonly generation: number;
  /** Of its deliveries that failed. */
  readonly errors: readonly string[];
  /** Its deliveries that were returned, by their numbers. */
  readonly returned: readonly number[];
}

/** What became of a job's items so far. */
export class Tally {
  #codes = new Uint32Array(1024);
  readonly #counts = { done: 0, failed: 0, dead: 0, dropped: 0 };
  /** Items with any line of a generation, by generation. */
  readonly #reached = new Map<number, number>();
  readonly #notes = new Map<number, Notes>();
  /** Outcomes a second of the last minute, by the second modulo its length. */
  readonly #recent = Array.from({ length: rateWindow }, () => ({ second: 0, count: 0 }));
  #firstSecond = Number.POSITIVE_INFINITY;
  #lastSecond = Number.NEGATIVE_INFINITY;

  /** @returns whether this line changed which outcome counts for its item */
  apply({ index, generation, status, errors, deliveries, at }: ItemOutcome): boolean {
    const code = this.#code(index);
    const known = code >> statusBits;
    if (generation < known) return false;
    if (status === "retried" || status === "returned") {
      if ((code & statusMask) === 0 || generation > known)
        this.#note(index, generation, status === "retried" ? errors : deliveries);
      return false;
    }
    const before = code & statusMask;
    if (generation === known && (status === "requeued" || before !== 0)) return false;
    if (generation > known) this.#reached.set(generation, this.requeuedIn(generation) + 1);
    const after = status === "requeued" ? 0 : outcomeStatuses.indexOf(status) + 1;
    if (before !== 0) this.#counts[outcomeStatuses[before - 1]!]--;
    if (after !== 0) this.#counts[outcomeStatuses[after - 1]!]++;
    this.#write(index, (generation << statusBits) | after);
    // What was published again may have been tried before the log said so.
    this.#forget(index, status === "requeued" ? generation - 1 : generation);
    if (after !== 0 && status !== "dropped") this.#tick(at);
    return true;
  }

  /** Whether an item of this generation has an outcome. */
  has(index: number, generation: number): boolean {
    const code = this.#code(index);
    return (code & statusMask) !== 0 && code >> statusBits >= generation;
  }

  /** Whether this line is the one that counts for its item; another of the same generation and status may be, too. */
  counts({ index, generation, status }: ItemOutcome): boolean {
    return this.status(index) === status && this.#code(index) >> statusBits === generation;
  }

  /** How an item ended; undefined if it has not. */
  status(index: number): OutcomeStatus | undefined {
    return outcomeStatuses[(this.#code(index) & statusMask) - 1];
  }

  /** Items by how they ended. */
  get byStatus(): OutcomeCounts {
    return { ...this.#counts };
  }

  /** Items that have an outcome. */
  get ended(): number {
    const { done, failed, dead, dropped } = this.#counts;
    return done + failed + dead + dropped;
  }

  /** Items that a generation above 0 published again, as far as is known. */
  requeuedIn(generation: number): number {
    return this.#reached.get(generation) ?? 0;
  }

  /** Errors of the deliveries of an item that has no outcome yet, the last one last. */
  errorsOf(index: number, generation: number): readonly string[] {
    return this.#notesOf(index, generation).errors;
  }

  /** How many of the deliveries of an item before this one were returned, and were no tries of it. */
  returnedBefore(index: number, generation: number, delivery: number): number {
    return this.#notesOf(index, generation).returned.filter((number) => number < delivery).length;
  }

  /**
   * Outcomes a second over the last minute, or since the first of them if that is later.
   * @param now milliseconds of the clock that outcomes are dated by
   */
  rate(now: number): number {
    const second = Math.floor(now / 1000);
    let count = 0;
    for (const slot of this.#recent) if (slot.second > second - rateWindow) count += slot.count;
    const seconds = Math.min(rateWindow, second + 1 - this.#firstSecond);
    return seconds > 0 ? count / seconds : 0;
  }

  /** @param what the errors so far, or the number of a delivery that was returned */
  #note(index: number, generation: number, what: readonly string[] | number): void {
    if ((this.#notes.get(index)?.generation ?? 0) > generation) return;
    const { errors, returned } = this.#notesOf(index, generation);
    if (typeof what !== "number") this.#notes.set(index, { generation, errors: what, returned });
    else if (!returned.includes(what))
      this.#notes.set(index, { generation, errors, returned: [...returned, what] });
  }

  /** Drops what is noted of an item up to this generation. */
  #forget(index: number, generation: number): void {
    if ((this.#notes.get(index)?.generation ?? 0) <= generation) this.#notes.delete(index);
  }

  #notesOf(index: number, generation: number): Notes {
    const known = this.#notes.get(index);
    return known?.generation === generation ? known : { generation, errors: [], returned: [] };
  }

  #code(index: number): number {
    return this.#codes[index] ?? 0;
  }

  #write(index: number, code: number): void {
    if (index >= this.#codes.length) {
      const larger = new Uint32Array(Math.max(2 * this.#codes.length, index + 1));
      larger.set(this.#codes);
      this.#codes = larger;
    }
    this.#codes[index] = code;
  }

  /** When the last outcome was recorded, in milliseconds; undefined before the first. */
  get lastOutcome(): number | undefined {
    return Number.isFinite(this.#lastSecond) ? 1000 * this.#lastSecond : undefined;
  }

  #tick(at: string): void {
    const second = Math.floor(Date.parse(at) / 1000);
    this.#lastSecond = Math.max(this.#lastSecond, second);
    const slot = this.#recent[second % rateWindow]!;
    if (second > slot.second) {
      slot.second = second;
      slot.count = 0;
    }
    if (second === slot.second) slot.count++;
    this.#firstSecond = Math.min(this.#firstSecond, second);
  }
}
