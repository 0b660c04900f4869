/** A fleet on this machine, for a run that spends it by itself. */
import type { Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";
import { withinTime } from "../shared/within-time.js";
import type { Fleet, WorkerDescription } from "./fleet.js";
import type { LocalWorker } from "./local-worker.js";
import { type LocalFleetOptions, type LocalWorkers, startLocalWorkers } from "./local-workers.js";
import { restoreOnWorker } from "./wire/restore-on-worker.js";
import type { WorkerChannel } from "./wire/worker-channel.js";

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

  /** The channel to a worker; waits for one that is started again. */
  channel(index: number, signal: AbortSignal): Promise<WorkerChannel> {
    const worker = this.#local.workers[index % this.width];
    return withinTime(workerWaitMilliseconds, worker.name, signal, () => worker.channel());
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    return this.#local.openSlice(spec, await this.channel(index, signal), signal);
  }
}

/**
 * Starts the workers and shakes hands with all of them.
 * @throws InputError if the model cannot be used or the address not be bound, FatalError if workers cannot be started
 */
export async function startLocalFleet(options: LocalFleetOptions): Promise<Fleet> {
  const local = await startLocalWorkers(options);
  const host = new LocalHost(local);
  return {
    host,
    network: local.network,
    restore: async (index, picture, signal) => {
      const channel = await host.channel(index, signal);
      return restoreOnWorker(channel, picture, signal, local.timeouts.command);
    },
    measure: (seconds, size, abort) =>
      Promise.all(
        local.workers.map(async (_, index) => (await host.channel(index, abort)).measureCosts(seconds, size)),
      ),
    workers: () => local.workers.flatMap((worker) => describe(worker)),
    close: local.close,
  };
}

function describe({ name, restarts, lastReady }: LocalWorker): WorkerDescription[] {
  if (!lastReady) return [];
  const { pid, address, device, threads, version } = lastReady;
  return [{ name, pid, address, device, threads, version, restarts }];
}
