/** Where the time of a chain went, along its critical path. */
import type { EngineSeconds } from "../../shared/chain/slice-host.js";

/** Seconds of one chain. */
export interface SolveSeconds {
  readonly total: number;
  /** Network evaluations: the slowest worker of every round. */
  readonly model: number;
  /** Exchanges beyond the slowest worker's own work, with the coordinator's scan. */
  readonly wire: number;
  /** Everything else: transforms and scans on the workers, opening and closing slices. */
  readonly other: number;
}

/** Adds up exchanges with the workers. */
export class RoundClock {
  readonly #now: () => number;
  readonly #started: number;
  #exchangeStarted = 0;
  #model = 0;
  #wire = 0;

  /** @param now seconds since an arbitrary moment */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
    this.#started = now();
  }

  startExchange(): void {
    this.#exchangeStarted = this.#now();
  }

  /**
   * @param workers what every worker spent on the exchange
   * @returns seconds that it took
   */
  endExchange(workers: readonly EngineSeconds[]): number {
    const wall = this.#now() - this.#exchangeStarted;
    this.#model += Math.max(0, ...workers.map((worker) => worker.network));
    this.#wire += Math.max(0, wall - Math.max(0, ...workers.map((worker) => worker.total)));
    return wall;
  }

  seconds(): SolveSeconds {
    const total = this.#now() - this.#started;
    return {
      total,
      model: this.#model,
      wire: this.#wire,
      other: Math.max(0, total - this.#model - this.#wire),
    };
  }
}
