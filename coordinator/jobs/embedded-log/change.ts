/** Something that happens again and again, and is waited for by any number. */
export class Change {
  #waiting = new Set<() => void>();

  /** Wakes all who wait. */
  announce(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** Resolves with the next announcement, when the signal aborts, or when the time is over, whichever comes first. */
  next(signal: AbortSignal, milliseconds = Number.POSITIVE_INFINITY): Promise<void> {
    if (signal.aborted || milliseconds <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      // A longer timeout than this overflows to none at all.
      const timer = milliseconds < 2 ** 31 ? setTimeout(wake, milliseconds) : undefined;
      signal.addEventListener("abort", wake);
      this.#waiting.add(wake);
    });
  }
}
