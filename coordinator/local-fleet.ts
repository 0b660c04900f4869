/** A fleet on this machine: worker processes over loopback gRPC, with nothing to start beforehand. */

import { setMaxListeners } from "node:events";
import type { BatchLimits } from "../shared/chain/batch-limits.js";
import type { Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";
import { InputError, RetryableError } from "../shared/errors.js";
import { laneFolder, sweepLanes } from "../shared/wire/tensor-lane.js";
import { withinTime } from "../shared/within-time.js";
import type { Fleet, WorkerDescription } from "./fleet.js";
import { type HealthTimings, LocalWorker, type LocalWorkerEvent } from "./local-worker.js";
import { ExchangeServer } from "./wire/exchange-server.js";
import { GrpcSlice, type SliceTimeouts } from "./wire/grpc-slice.js";
import { restoreOnWorker } from "./wire/restore-on-worker.js";
import type { WorkerChannel } from "./wire/worker-channel.js";

/** What local workers are to be. */
export interface LocalFleetOptions {
  /** Number of processes, 1 or more. */
  readonly workers: number;
  /** Threads of each. */
  readonly threads: number;
  readonly modelPath: string;
  readonly signal: AbortSignal;
  /** Where the coordinator listens for its workers; default 127.0.0.1:0, a free port. */
  readonly listen?: string | undefined;
  /** A worker died, or came back. */
  readonly onEvent?: ((event: LocalWorkerEvent) => void) | undefined;
  readonly timeouts?: SliceTimeouts | undefined;
  /** Limits of the network calls that serial chains on one worker share; default `batchLimits(null)`. */
  readonly batch?: BatchLimits | undefined;
  /** When a silent worker is given up; default {@link defaultHealthTimings}. */
  readonly health?: HealthTimings | undefined;
  /** Whether tensors pass through shared memory where the machine has any; default true. */
  readonly lanes?: boolean | undefined;
}

/** Generous: a serial chain of a large picture on a slow processor is one command. */
const defaultTimeouts: SliceTimeouts = { command: 2 * 3600 * 1000 };

/** Time a slice waits for its worker to come back. */
const workerWaitMilliseconds = 60_000;

class LocalHost implements SliceHost {
  readonly width: number;
  readonly #workers: readonly LocalWorker[];
  readonly #exchange: ExchangeServer;
  readonly #timeouts: SliceTimeouts;
  readonly #lanes: string | undefined;

  constructor(
    workers: readonly LocalWorker[],
    exchange: ExchangeServer,
    timeouts: SliceTimeouts,
    lanes: string | undefined,
  ) {
    this.#lanes = lanes;
    this.width = workers.length;
    this.#workers = workers;
    this.#exchange = exchange;
    this.#timeouts = timeouts;
  }

  /** The channel to a worker; waits for one that is started again. */
  channel(index: number, signal: AbortSignal): Promise<WorkerChannel> {
    const worker = this.#workers[index % this.width];
    return withinTime(workerWaitMilliseconds, worker.name, signal, () => worker.channel());
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    const channel = await this.channel(index, signal);
    return GrpcSlice.open(spec, channel, this.#exchange, this.#timeouts, this.#lanes, signal);
  }
}

/**
 * Starts the workers and shakes hands with all of them.
 * @throws InputError if the model cannot be used or the address not be bound, FatalError if workers cannot be started
 */
export async function startLocalFleet(options: LocalFleetOptions): Promise<Fleet> {
  const { modelPath, threads, signal, health, batch, onEvent = () => {} } = options;
  const { timeouts = defaultTimeouts } = options;
  if (!Number.isInteger(options.workers) || options.workers < 1) {
    throw new InputError(`--workers ${options.workers}: must be a whole number, 1 or more`);
  }
  // Every worker waits on it: more listeners than the ten that Node takes for a leak.
  setMaxListeners(0, signal);
  const exchange = await ExchangeServer.listen(options.listen ?? "127.0.0.1:0");
  const lanes = options.lanes === false ? undefined : laneFolder();
  if (lanes) sweepLanes(lanes);
  const workers = Array.from(
    { length: options.workers },
    (_, index) =>
      new LocalWorker(`worker-${index + 1}`, { modelPath, threads, lanes, health, batch, onEvent }),
  );
  const close = async () => {
    exchange.close();
    await Promise.all(workers.map((worker) => worker.stop()));
  };
  try {
    const channels = await Promise.all(
      workers.map((worker) =>
        withinTime(2 * workerWaitMilliseconds, worker.name, signal, () => worker.channel()),
      ),
    );
    const [{ card }] = channels;
    if (channels.some((channel) => channel.card.hash !== card.hash)) {
      throw new RetryableError(`the model ${modelPath} changed while the workers were loading it`);
    }
    const host = new LocalHost(workers, exchange, timeouts, lanes);
    return {
      host,
      network: card,
      restore: async (index, picture, signal) => {
        const channel = await host.channel(index, signal);
        return restoreOnWorker(channel, picture, signal, timeouts.command);
      },
      measure: (seconds, size, abort) =>
        Promise.all(
          workers.map(async (_, index) => (await host.channel(index, abort)).measureCosts(seconds, size)),
        ),
      workers: () => workers.flatMap((worker) => describe(worker)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function describe({ name, restarts, lastReady }: LocalWorker): WorkerDescription[] {
  if (!lastReady) return [];
  const { pid, address, device, threads, version } = lastReady;
  return [{ name, pid, address, device, threads, version, restarts }];
}
