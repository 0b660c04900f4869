/** Waiting for a fleet that has not started yet, or whose coordinators are being replaced: what `--wait` asks for. */
import { setTimeout as delay } from "node:timers/promises";
import { type ServiceError, status } from "@grpc/grpc-js";
import { type Command, InvalidArgumentError } from "commander";
import { DeqfleetError } from "../shared/errors.js";
import { errorReason } from "../shared/wire/api-error.js";
import type { Console } from "./console.js";
import { number } from "./service.js";

const firstPauseMilliseconds = 500;
const longestPauseMilliseconds = 10_000;

function seconds(text: string): number {
  const value = number(text);
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw new InvalidArgumentError("It is no number of seconds.");
  }
  return value;
}

/** Adds the flag. @param what is waited for */
export const withWaitFlag = (command: Command, what: string): Command =>
  command.option("--wait <s>", `seconds to wait for ${what}`, seconds, 0);

/** How long a command bears with errors that pass. Those that do not it never bears with: whoever gave bad input hears so at once. */
export class Patience {
  readonly #milliseconds: number;
  readonly #console: Console;
  readonly #signal: AbortSignal;
  #answered = false;
  #until: number | undefined;
  #pause = firstPauseMilliseconds;
  #told: string | undefined;

  /** @param signal ends the waiting */
  constructor(seconds: number, console: Console, signal: AbortSignal) {
    this.#milliseconds = 1000 * seconds;
    this.#console = console;
    this.#signal = signal;
  }

  /** A coordinator has answered: the next error is borne with for the whole time again. */
  answered(): void {
    this.#answered = true;
    this.#until = undefined;
    this.#pause = firstPauseMilliseconds;
    this.#told = undefined;
  }

  /**
   * Does some work, and does it again when it has failed, as long as that may help.
   * @throws the error, if it does not pass or the time is over; the signal's reason
   */
  async with<Result>(work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.#bear(error);
      }
    }
  }

  /** Waits until another attempt is due, and says for what. */
  async #bear(error: unknown): Promise<void> {
    this.#signal.throwIfAborted();
    if (!this.#passes(error)) throw error;
    const now = performance.now();
    this.#until ??= now + this.#milliseconds;
    const left = this.#until - now;
    if (left <= 0) throw error;
    const message = DeqfleetError.messageOf(error);
    if (message !== this.#told) this.#console.stderr.write(`deqfleet: waiting: ${message}\n`);
    this.#told = message;
    await delay(Math.min(this.#pause, left), undefined, { signal: this.#signal });
    this.#pause = Math.min(2 * this.#pause, longestPauseMilliseconds);
  }

  #passes(error: unknown): boolean {
    if (!(error instanceof DeqfleetError)) return false;
    if (error.kind === "retryable") return true;
    const cause = error.cause as ServiceError | undefined;
    if (cause === undefined) return false;
    // A coordinator that starts takes jobs a moment after it listens; before it was heard it might as well be none.
    return errorReason(cause) === "no-worker" || (this.#answered && cause.code === status.UNIMPLEMENTED);
  }
}
