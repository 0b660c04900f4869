/** Steps change hands between the slices of a chain, after the correction of a round and before its evaluation. */
import type { MovedSteps } from "../../shared/chain/slice-host.js";
import type { StepRange } from "./cut-chain.js";
import type { FinalPrefix } from "./final-prefix.js";
import { type Gift, giftsFor, type Seat } from "./seats.js";

/** Acts on all of some seats at the same time, however it ends for each. @returns what it ended with where it failed */
export async function failuresOf(
  seats: readonly Seat[],
  act: (seat: Seat) => Promise<unknown>,
): Promise<Map<Seat, unknown>> {
  const ended = await Promise.allSettled(seats.map(act));
  return new Map(
    ended.flatMap((result, i) => (result.status === "rejected" ? [[seats[i], result.reason] as const] : [])),
  );
}

/** The chain as it is before steps move. */
export interface Moving {
  readonly seats: readonly Seat[];
  readonly prefix: FinalPrefix;
  /** One past the last step that the last round evaluated. */
  readonly evaluatedTo: number;
}

/**
 * Moves steps. Nothing has changed hands until all that is given has arrived here: if a giver is lost, the borders stay. A slice
 * that is lost after that has its new range.
 * @param changing the corrected slices whose range changes, with the new one
 * @returns the slices that were lost, and the seconds that it took; undefined if nothing was moved
 */
export async function handOver(
  changing: ReadonlyMap<Seat, StepRange>,
  { seats, prefix, evaluatedTo }: Moving,
  signal: AbortSignal,
): Promise<{ readonly failures: Map<Seat, unknown>; readonly seconds: number | undefined }> {
  const started = performance.now();
  const gifts = new Map([...changing].map(([seat, range]) => [seat, giftsFor(seats, seat, range)]));
  const arrived = new Map<Gift, MovedSteps>();
  const givers = [...new Set([...gifts.values()].flat().map(({ giver }) => giver))];
  const givenBy = (giver: Seat) => [...gifts.values()].flat().filter((gift) => gift.giver === giver);
  const silent = await failuresOf(givers, async (giver) => {
    for (const gift of givenBy(giver)) arrived.set(gift, await giver.slice.give(gift.run, signal));
  });
  if (silent.size > 0) return { failures: silent, seconds: undefined };
  const failures = await failuresOf([...changing.keys()], async (seat) => {
    const range = changing.get(seat) as StepRange;
    const taken = (gifts.get(seat) ?? []).map((gift) => arrived.get(gift) as MovedSteps);
    const { begin } = seat.range;
    const first = seat === seats[0] && range.begin > begin;
    seat.range = first ? { begin, end: range.end } : range;
    await seat.slice.recut({ ...range, evaluatedTo, taken }, signal);
    if (!first) return;
    // What it dropped is final; should it be lost, it begins where it does now.
    prefix.keep(await seat.slice.readState("entry", signal));
    seat.range = range;
  });
  return { failures, seconds: (performance.now() - started) / 1000 };
}
