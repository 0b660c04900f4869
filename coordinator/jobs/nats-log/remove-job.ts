/**
 * Removing a job from the broker, step by step. A coordinator may be held up between two steps for so long that another one takes its
 * place, removes the job, and a new one of the same name is submitted: nothing of that one may be lost.
 */
import type { JobRecord } from "../../../shared/jobs/job.js";
import { mayRemove } from "../delete-job.js";
import type { Broker } from "./broker.js";
import type { ItemStream } from "./item-stream.js";
import type { JobRecords } from "./job-records.js";

/** Where the job is kept. */
export interface Removal {
  readonly broker: Broker;
  readonly records: JobRecords;
  readonly items: ItemStream;
  /** Streams, and the subjects in them that are the job's. */
  readonly subjects: readonly { readonly stream: string; readonly filter: string }[];
}

/** See `JobLog.remove`. */
export async function removeJob(
  { broker, records, items, subjects }: Removal,
  job: JobRecord,
  signal: AbortSignal,
): Promise<void> {
  const { name } = job.spec;
  const ends = await Promise.all(
    subjects.map(({ stream }) =>
      broker.ask(
        `reading the end of ${stream}`,
        async () => (await broker.jsm.streams.info(stream)).state.last_seq,
      ),
    ),
  );
  // What was there before the record was read belongs to the job that it is of, and to none that comes later.
  if (!mayRemove(await records.get(name), job)) return;
  for (const [i, { stream, filter }] of subjects.entries()) {
    signal.throwIfAborted();
    await broker.ask(`removing ${filter}`, () =>
      broker.jsm.streams.purge(stream, { filter, seq: ends[i] + 1 }),
    );
  }
  signal.throwIfAborted();
  // A new one's deliveries would be counted from the beginning.
  if (!mayRemove(await records.get(name), job)) return;
  await items.forget(name);
  signal.throwIfAborted();
  await records.remove(job);
}
