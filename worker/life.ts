/**
 * The life of a worker that joins coordinators:
 *
 *     starting -> joining <-> serving
 *                    |           |
 *                    +-----+-----+
 *                          v
 *                       draining -> stopped
 *
 * - `starting`: loads and measures the network; listens afterwards.
 * - `joining`: looks for a coordinator that takes it. It comes back to this when the call to its coordinator breaks.
 * - `serving`: is a member of one coordinator's fleet.
 * - `draining`: was told to stop; takes nothing new, hands slices back, finishes whole pictures.
 * - `stopped`: nothing is left to do; the process exits with 0.
 * - `failed`: cannot go on (the model cannot be used, the engine ended, every coordinator refuses it for good); the process
 *   exits with another code, and whatever started it may start it again. Reached from every state but `stopped`.
 */
export type LifeState = "starting" | "joining" | "serving" | "draining" | "stopped" | "failed";

/** Which states may follow which. */
export const transitions: Readonly<Record<LifeState, readonly LifeState[]>> = {
  starting: ["joining", "draining", "failed"],
  joining: ["serving", "draining", "failed"],
  serving: ["joining", "draining", "failed"],
  draining: ["stopped", "failed"],
  stopped: [],
  failed: [],
};

/** Where a worker is in its life. */
export class Life {
  #state: LifeState = "starting";
  readonly #onEnter: (state: LifeState, why: string) => void;

  /** @param onEnter called after every transition */
  constructor(onEnter: (state: LifeState, why: string) => void = () => {}) {
    this.#onEnter = onEnter;
  }

  get state(): LifeState {
    return this.#state;
  }

  /**
   * Goes on to another state.
   * @param why for whoever watches
   * @throws Error if it does not follow the present one: a defect of the caller
   */
  enter(next: LifeState, why: string): void {
    if (!transitions[this.#state].includes(next)) {
      throw new Error(`a worker that is ${this.#state} cannot be ${next}`);
    }
    this.#state = next;
    this.#onEnter(next, why);
  }
}
