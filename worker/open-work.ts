/**
 * What a worker has at hand, and how it gets rid of it when it drains.
 *
 * A piece of work is a slice of a cut chain, or a whole picture once it has begun. A draining worker takes no new piece, hands a
 * slice back at its next round (the coordinator opens it elsewhere from its boundary states), and finishes whole pictures.
 */
import { RetryableError } from "../shared/errors.js";

/** A piece of work under way. */
export interface Piece {
  /** Says that it is over; more than once does no harm. */
  readonly end: () => void;
}

/** Work in hand, counted. */
export class OpenWork {
  #pieces = 0;
  #draining = false;
  #idle: (() => void)[] = [];

  /** Pieces under way. */
  get holds(): number {
    return this.#pieces;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** @throws RetryableError if the worker takes no more work */
  begin(): Piece {
    this.refuseWhileDraining();
    this.#pieces++;
    let open = true;
    return {
      end: () => {
        if (!open) return;
        open = false;
        this.#pieces--;
        if (this.#pieces === 0) for (const settle of this.#idle.splice(0)) settle();
      },
    };
  }

  /** @throws RetryableError if the worker drains: what would only begin now is better begun elsewhere */
  refuseWhileDraining(): void {
    if (this.#draining) throw new RetryableError("the worker is draining");
  }

  /** Takes nothing new from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.#pieces > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
