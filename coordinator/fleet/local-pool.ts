/** A pool of workers on this machine: processes that are started here, and started again when they die. */
import { batchLimits } from "../../shared/chain/batch-limits.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type { LocalWorker } from "../local-worker.js";
import { type LocalFleetOptions, startLocalWorkers } from "../local-workers.js";
import { MemberPool } from "./member-pool.js";
import type { WorkerPool } from "./worker-pool.js";

/** Local workers, ready. */
export interface LocalPool {
  readonly workers: WorkerPool;
  /** Of all of them. */
  readonly network: NetworkCard;
  /** Stops every worker. */
  close(): Promise<void>;
}

/**
 * Starts the workers and shakes hands with all of them. When none of them will come back (each died too often), whoever waits
 * for a place, or asks for one, gets the reason.
 * @throws InputError if the model cannot be used or the address not be bound, FatalError if workers cannot be started
 */
export async function startLocalPool(options: LocalFleetOptions): Promise<LocalPool> {
  const { batch = batchLimits(null), onEvent = () => {}, onHopeless = () => {} } = options;
  const pool = new MemberPool({ openSlice: (...slice) => local.openSlice(...slice) });
  let workers: readonly LocalWorker[] = [];
  let hopeless = 0;
  const join = ({ name, lastReady: channel }: LocalWorker) => {
    if (channel) pool.join({ name, channel, batch, costs: [], joinedAt: new Date() });
  };
  const local = await startLocalWorkers({
    ...options,
    onEvent: (event) => {
      const worker = workers.find(({ name }) => name === event.worker);
      if (event.kind === "lost") pool.remove(event.worker, event.reason);
      else if (worker) join(worker);
      onEvent(event);
    },
    onHopeless: (error) => {
      hopeless++;
      if (hopeless === workers.length) pool.fail(error);
      onHopeless(error);
    },
  });
  workers = local.workers;
  for (const worker of workers) join(worker);
  return { workers: pool, network: local.network, close: local.close };
}
