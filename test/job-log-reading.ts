/** Reading a job log in tests: with a job's name, patience, and all there is at once. */
import type { JobLog, TakenItem } from "../coordinator/jobs/job-log.js";
import type { ItemOutcome } from "../shared/jobs/work-item.js";

export const jobName = "photos";
/** Long enough for any item that is there. */
export const patience = 20_000;
/** An item is given out again after this time in tests of just that. */
export const shortAck = { ackMilliseconds: 1000 };
/** The name of a holder that is silent is free after this time in tests of just that. */
export const shortHold = { holdMilliseconds: 2000 };

const { signal } = new AbortController();
export const take = (log: JobLog, max: number, waitMilliseconds = patience, of = jobName) =>
  log.take(of, max, { waitMilliseconds, signal });
export const indices = (taken: readonly { readonly item: { readonly index: number } }[]) =>
  taken.map(({ item }) => item.index);

/** Everything that can be had at present. */
export async function takeAll(log: JobLog, of = jobName): Promise<TakenItem[]> {
  const all: TakenItem[] = [];
  for (;;) {
    const some = await take(log, 100, all.length === 0 ? patience : 300, of);
    if (some.length === 0) return all;
    all.push(...some);
  }
}

export async function collected<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

export const outcomesOf = (log: JobLog, of = jobName): Promise<ItemOutcome[]> =>
  collected(log.outcomes(of, { follow: false, signal }));

/** Reads on until `enough` values hold, then ends the iteration by its signal. */
export async function followed<Value>(
  start: (signal: AbortSignal) => AsyncIterable<Value>,
  enough: (values: readonly Value[]) => boolean,
): Promise<Value[]> {
  const end = new AbortController();
  const values: Value[] = [];
  for await (const value of start(end.signal)) {
    values.push(value);
    if (enough(values)) end.abort();
  }
  return values;
}
