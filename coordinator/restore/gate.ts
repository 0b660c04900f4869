/** A gate that lets so many through at a time, in the order in which they came. */

/** Who is inside, and who waits. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param width how many may be inside at a time, 1 or more */
  constructor(width: number) {
    this.#free = width;
  }

  /**
   * Waits for its turn.
   * @returns leaves again; more than once does no harm
   */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
