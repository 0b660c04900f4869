/**
 * Which worker takes the next whole chain. A worker holds as many as fill one of its network calls and one more, which
 * takes the place of the first to end without waiting for the coordinator. The last chains of a run do not wait on one
 * worker while another may soon be idle: of them a worker holds one call's worth only.
 */
import { type BatchLimits, picturesPerCall } from "../../shared/chain/batch-limits.js";
import type { PictureSize } from "../../shared/operators/task.js";

/** Whole chains a worker holds at most, of pictures no larger than fit into a full batch. */
export const chainsPerWorker = ({ pictures }: BatchLimits): number => pictures + 1;

/** A place on a worker. */
export interface WorkerSlot {
  /** Number of the worker. */
  readonly worker: number;
  /** Gives the place back; more than once does no harm. */
  readonly release: () => void;
}

interface Waiting {
  readonly share: number;
  readonly alone: boolean;
  readonly admit: (slot: WorkerSlot) => void;
}

/** Places are given out in the order in which they are asked for, on the worker with the least to do. */
export class WorkerSlots {
  readonly #limits: BatchLimits;
  /** Of each worker, the parts of a network call that its chains take up. */
  readonly #held: number[][];
  /** Workers that one chain has for itself. */
  readonly #reserved = new Set<number>();
  #waiting: Waiting[] = [];
  /** Chains that have not begun yet. */
  #left: number;

  /**
   * @param workers 1 or more
   * @param chains how many are to come in all, as far as is known
   */
  constructor(workers: number, limits: BatchLimits, chains = Number.POSITIVE_INFINITY) {
    this.#limits = limits;
    this.#left = chains;
    this.#held = Array.from({ length: workers }, () => []);
  }

  /**
   * Waits for a place.
   * @param size of the chain's canvas
   * @param alone whether nothing else may run on that worker meanwhile
   * @throws the signal's reason when it aborts
   */
  async acquire(size: PictureSize, alone: boolean, signal: AbortSignal): Promise<WorkerSlot> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiting = {
        share: 1 / picturesPerCall(this.#limits, size),
        alone,
        admit: (slot: WorkerSlot) => {
          signal.removeEventListener("abort", onAbort);
          resolve(slot);
        },
      };
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal.reason);
        this.#admit();
      };
      signal.addEventListener("abort", onAbort);
      this.#waiting.push(waiting);
      this.#admit();
    });
  }

  #load(worker: number): number {
    return this.#held[worker].reduce((sum, share) => sum + share, 0);
  }

  #takesOne(worker: number, { alone, share }: Waiting): boolean {
    const held = this.#held[worker];
    if (held.length === 0) return true;
    if (alone || this.#reserved.has(worker)) return false;
    const rounding = 1e-9;
    // The last ones fill up a call.
    if (this.#left * share <= this.#held.length) return this.#load(worker) + share <= 1 + rounding;
    // Beside one chain that waits its turn, there has to be room in the call.
    return this.#load(worker) - Math.max(...held) < 1 - rounding;
  }

  /** Admits those who wait, the first first: whoever needs a worker alone would else never get one. */
  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const { share, alone, admit } = next;
      const workers = [...this.#held.keys()].filter((worker) => this.#takesOne(worker, next));
      if (workers.length === 0) return;
      const worker = workers.reduce((a, b) => (this.#load(b) < this.#load(a) ? b : a));
      this.#waiting.shift();
      this.#left--;
      this.#held[worker].push(share);
      if (alone) this.#reserved.add(worker);
      let held = true;
      const release = () => {
        if (!held) return;
        held = false;
        this.#held[worker].splice(this.#held[worker].indexOf(share), 1);
        if (alone) this.#reserved.delete(worker);
        this.#admit();
      };
      admit({ worker, release });
    }
  }
}
