/** Telling an object that its store refuses from a store that cannot be used: both fail alike. */
import { StoreFullError, type StoreUnavailableError } from "../../shared/storage/object-store.js";

/** What is known besides. */
export interface RefusalContext {
  /** @throws StoreUnavailableError if the stores cannot be used from here at present */
  check(): Promise<void>;
  /** Pictures of the job that have been restored so far, by whomever. */
  restored(): number;
}

/**
 * Refusals after which the object is at fault, if the stores can be used from here and
 * - other pictures were restored meanwhile, and more than one worker was refused it;
 * - other pictures were restored meanwhile, and it was the same worker each time: that one alone may not reach the store;
 * - none was restored meanwhile: perhaps no worker reaches the store. Pauses grow then, and the last refusal comes two minutes
 *   after the first.
 */
const refusalsEnough = { byWorkers: 3, byOne: 6, alone: 8 };

/** The refusals of one delivery. */
export class StoreRefusals {
  readonly #context: RefusalContext;
  readonly #workers = new Set<string>();
  #restoredBefore = 0;
  #count = 0;

  constructor(context: RefusalContext) {
    this.#context = context;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Notes one.
   * @param worker that was refused, if one had begun
   * @returns whether the object is at fault, and not the store. What is full is full for all.
   */
  async note(error: StoreUnavailableError, worker: string | undefined): Promise<boolean> {
    if (error instanceof StoreFullError) return false;
    if (this.#count === 0) this.#restoredBefore = this.#context.restored();
    this.#count++;
    if (worker !== undefined) this.#workers.add(worker);
    const others = this.#context.restored() > this.#restoredBefore;
    const { byWorkers, byOne, alone } = refusalsEnough;
    const enough = others ? (this.#workers.size > 1 ? byWorkers : byOne) : alone;
    if (this.#count < enough) return false;
    return this.#context.check().then(
      () => true,
      () => false,
    );
  }
}
