/**
 * When a method is given up for plain iteration, which needs no luck: it makes one more state exact in every round, and what
 * it finds of the others does not depend on rounds long past.
 *
 * Residuals are not monotone: the first corrections reach far, and what they carry on has to be corrected in turn. So a
 * method is judged by the best it has reached, and against what it started from.
 */

/** Why plain iteration took over. */
export const fallbackReasons = ["not-finite", "diverged", "stalled"] as const;
export type FallbackReason = (typeof fallbackReasons)[number];

/** That plain iteration took over, and after which round. */
export interface Fallback {
  readonly round: number;
  readonly reason: FallbackReason;
}

/** Largest residual ratio a method may reach, relative to that of its starting states. Sound runs stay below 20. */
const largestGrowth = 100;

/** The same for plain iteration: beyond it the sums of a correction lose too many of their digits. */
const largestPlainGrowth = 1000;

/** The same where states keep coming in: the first ones, all noise, say little of those that follow. */
const largestWindowedGrowth = 1e6;

/** What counts as a new lowest residual, relative to the one before. */
const smallestGain = 0.9;

/** Rounds without a new lowest residual after which a method counts as stalled. */
const patience = (steps: number): number => Math.max(8, Math.ceil(steps / 8));

/** Watches the residuals of one chain. */
export class FallbackWatch {
  readonly #patience: number;
  readonly #windowed: boolean;
  #plain: boolean;
  #first = Number.NaN;
  #lowest = Number.POSITIVE_INFINITY;
  #since = 0;

  /**
   * @param steps T
   * @param plain whether the method is plain iteration already, which can only overflow
   * @param windowed whether new states keep coming in, which keeps the largest residual up
   */
  constructor(steps: number, plain: boolean, windowed: boolean) {
    this.#patience = patience(steps);
    this.#plain = plain;
    this.#windowed = windowed;
  }

  /**
   * Takes the largest residual ratio of the next round.
   * @returns why to go on plainly, or if that is being done, why to start it anew; undefined: it may go on
   */
  observe(largestRatio: number): FallbackReason | undefined {
    const reason = this.#judge(largestRatio);
    if (reason) this.#plain = true;
    return reason;
  }

  /** A slice was lost: how low residuals were before says nothing any more. */
  forget(): void {
    this.#lowest = Number.POSITIVE_INFINITY;
    this.#since = 0;
  }

  /** Whether the starting states were better than states with this ratio. */
  worseThanStart(largestRatio: number): boolean {
    return !(largestRatio <= this.#first);
  }

  #growth(): number {
    if (this.#windowed) return largestWindowedGrowth;
    return this.#plain ? largestPlainGrowth : largestGrowth;
  }

  #judge(largestRatio: number): FallbackReason | undefined {
    if (!Number.isFinite(largestRatio)) return "not-finite";
    if (Number.isNaN(this.#first)) this.#first = largestRatio;
    if (largestRatio < smallestGain * this.#lowest) {
      this.#lowest = largestRatio;
      this.#since = 0;
    } else this.#since++;
    if (largestRatio > this.#growth() * Math.max(1, this.#first)) return "diverged";
    return !this.#plain && !this.#windowed && this.#since >= this.#patience ? "stalled" : undefined;
  }
}
