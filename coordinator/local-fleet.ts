/** A fleet on this machine, for a run that spends it by itself. */
import type { Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";
import { withinTime } from "../shared/within-time.js";
import type { Fleet, WorkerDescription } from "./fleet.js";
import type { LocalWorker } from "./local-worker.js";
import { type LocalFleetOptions, type LocalWorkers, startLocalWorkers } from "./local-workers.js";

export type { LocalFleetOptions } from "./local-workers.js";

/** Time a slice waits for its worker to come back. */
const workerWaitMilliseconds = 60_000;

class LocalHost implements SliceHost {
  readonly width: number;
  readonly #local: LocalWorkers;

  constructor(local: LocalWorkers) {
    this.width = local.workers.length;
    this.#local = local;
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    const worker = this.#local.workers[index % this.width];
    const channel = await withinTime(workerWaitMilliseconds, worker.name, signal, () => worker.channel());
    return this.#local.openSlice(spec, channel, signal);
  }
}

/**
 * Starts the workers and shakes hands with all of them.
 * @throws InputError if the model cannot be used or the address not be bound, FatalError if workers cannot be started
 */
export async function startLocalFleet(options: LocalFleetOptions): Promise<Fleet> {
  const local = await startLocalWorkers(options);
  return {
    host: new LocalHost(local),
    network: local.network,
    workers: () => local.workers.flatMap((worker) => describe(worker)),
    close: local.close,
  };
}

function describe({ name, restarts, lastReady }: LocalWorker): WorkerDescription[] {
  if (!lastReady) return [];
  const { pid, address, device, threads, version } = lastReady;
  return [{ name, pid, address, device, threads, version, restarts }];
}
