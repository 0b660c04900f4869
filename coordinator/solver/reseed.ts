/**
 * Replaces the slices of a chain that were lost: the boundary states of a slice are read from its neighbours, the states between
 * follow from them, and its steps are evaluated at once.
 *
 * A worker may die after it has reported, which shows when a boundary state is read there. Then that slice is lost as well, and
 * what it reported is void.
 */
import type { ChainSpec, RoundCommand, RoundReport, SliceHost } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { FinalPrefix } from "./final-prefix.js";
import { openAttempts, openSlice, type Seat } from "./seats.js";

/** The chain that lost slices. */
export interface DamagedChain {
  readonly chain: ChainSpec;
  readonly host: SliceHost;
  /** In the chain's order. A slice at rest that is needed again is put in front. */
  readonly seats: Seat[];
  readonly prefix: FinalPrefix;
  /** What the slices that are not lost reported. Reports of the replacements are added. */
  readonly reports: Map<Seat, RoundReport>;
}

/** What was replaced. */
export interface Reseeded {
  readonly count: number;
  /** First step of the earliest slice that was lost; Infinity if none was. */
  readonly earliest: number;
}

type Evaluation = Omit<RoundCommand, "correction" | "gram">;

/**
 * Replaces all slices that have no report.
 * @param command the round that they were lost in
 * @throws RetryableError if one of them cannot be replaced, or is lost again and again
 */
export async function reseedLost(
  damaged: DamagedChain,
  command: Evaluation,
  signal: AbortSignal,
): Promise<Reseeded> {
  const { seats, reports } = damaged;
  const attempts = new Map<Seat, number>();
  // From the left, as the entry of a slice is read from its left neighbour: that one is alive then, or replaced already.
  for (let seat = firstLost(damaged); seat; seat = firstLost(damaged)) {
    const attempt = (attempts.get(seat) ?? 0) + 1;
    attempts.set(seat, attempt);
    try {
      reports.set(seat, await replace(damaged, seats.indexOf(seat), command, signal));
    } catch (error) {
      if (!(error instanceof RetryableError) || attempt >= openAttempts) throw error;
    }
  }
  const earliest = Math.min(...[...attempts.keys()].map(({ range }) => range.begin));
  return { count: attempts.size, earliest };
}

const firstLost = ({ seats, reports }: DamagedChain): Seat | undefined =>
  seats.find((seat) => !reports.has(seat));

async function replace(
  damaged: DamagedChain,
  index: number,
  command: Evaluation,
  signal: AbortSignal,
): Promise<RoundReport> {
  const { chain, host, seats } = damaged;
  const seat = seats[index];
  await seat.slice.close();
  const entry = await readEntry(damaged, index, signal);
  const exit = await readExit(damaged, index, signal);
  seat.slice = await openSlice(host, { chain, ...seat.range, seeds: { entry, exit } }, seat.worker, signal);
  const evaluation = { ...command, correctFrom: undefined, evaluateFrom: seat.range.begin };
  const report = await seat.slice.round({ ...evaluation, correction: undefined, gram: undefined }, signal);
  // The next slice may be lost as well, and is then re-seeded from this one.
  return { ...report, exit: report.exit?.slice() };
}

/**
 * Picture of the state that a slice starts from; undefined for z_0.
 * @throws RetryableError if who has it is lost, and is to be replaced before
 */
async function readEntry(
  { seats, prefix, reports }: DamagedChain,
  index: number,
  signal: AbortSignal,
): Promise<Float32Array | undefined> {
  try {
    if (index > 0) return await seats[index - 1].slice.readState("exit", signal);
    return await prefix.read(undefined, signal);
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error;
    const revived = index > 0 ? undefined : prefix.revive();
    if (revived) seats.unshift(revived);
    else reports.delete(seats[index - 1]);
    throw error;
  }
}

/** Picture of the state that a slice ends with; undefined if the next one is lost, or there is none. */
async function readExit(
  { seats, reports }: DamagedChain,
  index: number,
  signal: AbortSignal,
): Promise<Float32Array | undefined> {
  const next = seats.at(index + 1);
  if (!next || !reports.has(next)) return undefined;
  try {
    return await next.slice.readState("entry", signal);
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error;
    reports.delete(next);
    return undefined;
  }
}
