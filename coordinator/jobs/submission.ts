/**
 * Listing: from the pictures in a job's input store to items in its queue, in batches, so that memory does not grow with the
 * dataset and the first pictures start while the rest is still being found.
 *
 * Invariants:
 * 1. One coordinator lists a job at a time; another goes on from the cursor if it dies.
 * 2. Items are published before the cursor moves past them. Whoever goes on after a crash in between publishes them again
 *    under the same numbers, since stores list in the order of their keys; the tally counts each number once.
 */
import { crashPoint } from "../../shared/crash-point.js";
import { InputError } from "../../shared/errors.js";
import type { JobRecord, JobSpec } from "../../shared/jobs/job.js";
import type { WorkItem } from "../../shared/jobs/work-item.js";
import { formatOfPath, isMeasurementPath, pictureExtensions } from "../../shared/pictures/picture-format.js";
import type { PassedOver, StoredObject } from "../../shared/storage/object-store.js";
import type { JobLog } from "./job-log.js";
import type { JobStores } from "./job-stores.js";

/** The first batch is small, so that work begins at once; they double up to the largest. */
const firstBatch = 16;
const largestBatch = 1024;

/** Seconds after which a batch is published although it is not full. */
const longestWait = 1;

/** The path in a store's URI: of files as keys spell it. */
const plain = (uri: string): string => (uri.startsWith("file://") ? decodeURIComponent(uri) : uri);

const asFolder = (path: string): string => (path.endsWith("/") ? path : `${path}/`);

/** Where a job reads and writes, opened: the URI of an open store has no links in it, as one that a user wrote may have. */
export type DatasetStores = Pick<JobStores, "input" | "output">;

/** Whether a key of the input store lies in the output store: outputs must not be taken for inputs. */
function isOutput(key: string, { input, output }: DatasetStores): boolean {
  const [from, to] = [asFolder(plain(input.uri)), asFolder(plain(output.uri))];
  return to !== from && to.startsWith(from) && key.startsWith(to.slice(from.length));
}

const isHidden = (key: string): boolean => key.split("/").some((part) => part.startsWith("."));

/** Whether an object of the input store is a picture of the job. Hidden files and folders are passed over. */
export function isInput(
  { key }: StoredObject,
  { task: { task }, simulate }: JobSpec["restoration"],
  stores: DatasetStores,
): boolean {
  const measured = task === "cs-hadamard" && !simulate;
  if (formatOfPath(key) === undefined && !(measured && isMeasurementPath(key))) return false;
  if (isHidden(key)) return false;
  return !isOutput(key, stores);
}

/** Objects looked at before a dataset is accepted without a picture having been seen. */
const mostLookedAt = 10_000;

/**
 * Refuses what cannot be a dataset, as far as that can be told at once.
 * @throws InputError if the input holds no picture, or the outputs would be written over the inputs; StoreUnavailableError if
 *   it cannot be listed
 */
export async function checkDataset(
  stores: DatasetStores,
  spec: Pick<JobSpec, "input" | "output" | "restoration">,
): Promise<void> {
  const { input, output } = stores;
  if (input.uri === output.uri) {
    const also = spec.output === output.uri ? "" : `, ${output.uri}`;
    throw new InputError(
      `--out ${spec.output} is the input${also}: restored pictures would be written over the damaged ones; choose another --out`,
    );
  }
  let looked = 0;
  let closed = "";
  const onPassedOver = ({ prefix, message }: PassedOver) => {
    if (!isHidden(prefix)) closed ||= `; ${message}`;
  };
  for await (const object of input.list({ onPassedOver })) {
    if (isInput(object, spec.restoration, stores) || ++looked >= mostLookedAt) return;
  }
  throw new InputError(
    `${spec.input} holds no picture deqfleet reads (${pictureExtensions.join(" ")}); hidden files do not count${closed}`,
  );
}

/** What listing needs. */
export interface Submission {
  readonly log: JobLog;
  readonly stores: DatasetStores;
  /** The job as it was last seen. */
  readonly job: JobRecord;
  /** Ends the listing between two batches. */
  readonly signal: AbortSignal;
  /** Hears of what is left out although it was meant, and of the remedy. */
  readonly onLeftOut: (message: string) => void;
  /** Seconds since an arbitrary moment. */
  readonly now?: () => number;
}

/**
 * Publishes what the job has not listed yet, until the listing is complete, the job is no longer active, or the signal aborts.
 * @throws StoreUnavailableError if the input cannot be listed, RetryableError if the log is unreachable; what was published
 *   before counts
 */
export async function submitItems(submission: Submission): Promise<void> {
  const { log, stores, signal, onLeftOut, now = () => performance.now() / 1000 } = submission;
  let { job } = submission;
  const { name } = job.spec;
  let size = firstBatch;
  let batch: WorkItem[] = [];
  let begun = now();

  /** @returns whether to go on */
  const publish = async (listedAll: boolean): Promise<boolean> => {
    const items = batch;
    batch = [];
    if (items.length > 0) {
      await log.publish(name, items);
      crashPoint("after-items-published");
    }
    const from = job.listed;
    const listed = from + items.length;
    const cursor = items.at(-1)?.key ?? job.cursor;
    job = await log.update(name, (present) =>
      // Someone else went on: this coordinator was taken for dead. Both published the same items.
      present.listed !== from || present.listedAll
        ? undefined
        : { ...present, listed, cursor, listedAll, updatedAt: new Date().toISOString() },
    );
    crashPoint("after-cursor");
    size = Math.min(2 * size, largestBatch);
    return job.listed === listed && job.state === "active" && !signal.aborted;
  };

  const onPassedOver = ({ prefix, message }: PassedOver) => {
    if (isHidden(prefix)) return;
    onLeftOut(
      `${message}; its pictures are not part of the job: make it readable, then submit that folder as a job of its own`,
    );
  };
  const after = job.cursor === null ? {} : { after: job.cursor };
  for await (const object of stores.input.list({ ...after, signal, onPassedOver })) {
    if (signal.aborted) return;
    if (!isInput(object, job.spec.restoration, stores)) continue;
    if (batch.length === 0) begun = now();
    batch.push({ index: job.listed + batch.length, generation: 0, key: object.key, bytes: object.bytes });
    if (batch.length >= size || now() - begun > longestWait) {
      if (!(await publish(false))) return;
    }
  }
  if (!signal.aborted) await publish(true);
}
