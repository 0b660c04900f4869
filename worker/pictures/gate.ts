/** A gate that lets in as many as there is room for, in the order in which they came. */

/** Gives a place back; more than once does no harm. */
export type Leave = () => void;

interface Waiting {
  readonly share: number;
  readonly admit: () => void;
}

/** Sums of shares are not exact. */
const rounding = 1e-9;

/** Who is inside, and who waits. */
export class Gate {
  readonly #ahead: number;
  readonly #inside: number[] = [];
  #waiting: Waiting[] = [];

  /**
   * There is room for one more while the shares of those inside come to less than 1, not counting the largest ones.
   * @param ahead how many are not counted
   */
  constructor(ahead = 0) {
    this.#ahead = ahead;
  }

  /**
   * Waits for its turn.
   * @param share of the room, above 0
   * @throws the signal's reason when it aborts
   */
  async enter(share: number, signal: AbortSignal): Promise<Leave> {
    signal.throwIfAborted();
    if (this.#waiting.length > 0 || !this.#hasRoom()) await this.#turn(share, signal);
    else this.#inside.push(share);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#inside.splice(this.#inside.indexOf(share), 1);
      this.#admit();
    };
  }

  #hasRoom(): boolean {
    const counted = this.#inside.toSorted((a, b) => b - a).slice(this.#ahead);
    return counted.reduce((sum, share) => sum + share, 0) < 1 - rounding;
  }

  #turn(share: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal.reason);
        this.#admit();
      };
      const admit = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const waiting = { share, admit };
      signal.addEventListener("abort", stop, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #admit(): void {
    while (this.#hasRoom()) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#inside.push(next.share);
      next.admit();
    }
  }
}
