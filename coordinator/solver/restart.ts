/** Starts a chain anew behind its final states, without a look at what was beyond. */
import type { ChainSpec, RoundCommand, SliceHost } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import { openSlice, type Seat } from "./seats.js";

/** The chain that starts anew. */
export interface RestartedChain {
  readonly chain: ChainSpec;
  readonly host: SliceHost;
  readonly seats: readonly Seat[];
}

/**
 * Starts anew behind step `correctFrom`, which starts from a final state: the state it makes becomes exact whatever it was,
 * all states beyond go back to starting values.
 * @returns the first slice that was lost meanwhile and all slices beyond it, with the reason: who replaces them from the left
 *   gives them the same starting values
 */
export async function restartBehind(
  { chain, host, seats }: RestartedChain,
  command: Omit<RoundCommand, "correction" | "gram"> & { readonly correctFrom: number },
  signal: AbortSignal,
): Promise<Map<Seat, RetryableError>> {
  const { correctFrom } = command;
  const at = seats.findIndex(({ range }) => range.begin <= correctFrom && correctFrom < range.end);
  const anew = { ...command, restart: true, correction: undefined, gram: undefined };
  // One after the other: both copies of a boundary state have to be the same.
  for (const [index, seat] of seats.entries()) {
    if (index < at) continue;
    try {
      if (index === at) {
        await seat.slice.round(anew, signal);
        continue;
      }
      const entry = await seats[index - 1].slice.readState("exit", signal);
      await seat.slice.close();
      const spec = { chain, ...seat.range, seeds: { entry, exit: undefined } };
      seat.slice = await openSlice(host, spec, seat.worker, signal);
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      return new Map(seats.slice(index).map((beyond) => [beyond, error]));
    }
  }
  return new Map();
}
