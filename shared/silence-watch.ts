/** Notices that a peer has fallen silent, and does not mistake its own stalls for it. */

/** Parts into which the time of silence is divided. */
const ticks = 5;

/**
 * Time is counted in ticks of a timer, not read from a clock: a process that was itself stopped, or busy, for a minute has
 * missed one tick, and first reads what has arrived meanwhile.
 */
export class SilenceWatch {
  readonly #timer: NodeJS.Timeout;
  #silent = 0;

  /**
   * @param milliseconds after which silence is told of
   * @param onSilence called once
   */
  constructor(milliseconds: number, onSilence: () => void) {
    this.#timer = setInterval(() => {
      this.#silent++;
      if (this.#silent < ticks) return;
      this.stop();
      onSilence();
    }, milliseconds / ticks);
  }

  /** The peer was heard of. */
  heard(): void {
    this.#silent = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
