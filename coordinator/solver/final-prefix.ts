/**
 * The final state that the first seat of a chain starts from, and who has it.
 *
 * It is read when it is wanted, which mostly is never: until then the slices that rested since the last reading have to stay.
 */
import { RetryableError } from "../../shared/errors.js";
import type { Seat } from "./seats.js";

/** See above; of a chain that has just begun, the state is z_0. */
export class FinalPrefix {
  /** The state that the first of `#unread` starts from, or the first seat if there is none. Undefined: z_0. */
  #picture: Float32Array | undefined;
  /** Slices that rested since, in the chain's order, each beginning where the one before it ends. */
  #unread: Seat[] = [];

  /** All steps of what was the first seat are final. */
  rest(seat: Seat): void {
    this.#unread.push(seat);
  }

  /** The state is known: the first seat has dropped the steps before it. */
  keep(picture: Float32Array): void {
    this.#picture = picture;
    this.#unread = [];
  }

  /**
   * The state's picture, kept from now on. No round may be under way.
   * @param first the first seat, which has the state as well; undefined if it is lost
   * @returns undefined for z_0
   * @throws RetryableError if all who have it are lost
   */
  async read(first: Seat | undefined, signal: AbortSignal): Promise<Float32Array | undefined> {
    const holder = this.#unread.at(-1);
    if (!holder) return this.#picture;
    try {
      this.keep(await holder.slice.readState("exit", signal));
    } catch (error) {
      // Nobody noticed that it was lost, as it had nothing to do.
      if (!(error instanceof RetryableError) || !first) throw error;
      this.keep(await first.slice.readState("entry", signal));
    }
    return this.#picture;
  }

  /** Takes back the slice that has the state, so that the state before that slice is the one that counts. */
  revive(): Seat | undefined {
    return this.#unread.pop();
  }
}
