/** The seats of a chain: who has which of its steps, how a slice is opened, and who gives what when steps change hands. */
import type { Slice, SliceHost, StepRun } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { StepRange } from "./cut-chain.js";

/** A slice, whose worker has it, and where it is in the chain. */
export interface Seat {
  readonly worker: number;
  slice: Slice;
  range: StepRange;
}

/** A part of a move: who gives what. */
export interface Gift {
  readonly giver: Seat;
  readonly run: StepRun;
}

/** Attempts to open one slice: its worker may die while it is being opened. */
export const openAttempts = 4;

/** Opens a slice on a worker. @throws RetryableError if that fails again and again */
export async function openSlice(
  host: SliceHost,
  spec: Parameters<SliceHost["open"]>[0],
  index: number,
  signal: AbortSignal,
): Promise<Slice> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await host.open(spec, index, signal);
    } catch (error) {
      if (!(error instanceof RetryableError) || attempt >= openAttempts) throw error;
    }
  }
}

/** What a slice lacks of a range, and who has it. */
export function giftsFor(seats: readonly Seat[], seat: Seat, range: StepRange): Gift[] {
  const own = seats.includes(seat) ? seat.range : undefined;
  const holds = (state: number) =>
    own !== undefined &&
    range.begin <= own.end &&
    own.begin <= range.end &&
    own.begin <= state &&
    state <= own.end;
  return seats.flatMap((giver) => {
    const begin = Math.max(range.begin, giver.range.begin);
    const end = Math.min(range.end, giver.range.end);
    if (giver === seat || begin >= end) return [];
    const entry = begin === range.begin && !holds(begin);
    return [{ giver, run: { begin, end, entry, exit: !holds(end) } }];
  });
}
