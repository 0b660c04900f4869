/** Worker processes on this machine over loopback gRPC, with nothing to start beforehand. */
import { setMaxListeners } from "node:events";
import type { BatchLimits } from "../shared/chain/batch-limits.js";
import type { NetworkCard } from "../shared/chain/network-card.js";
import type { Slice, SliceSpec } from "../shared/chain/slice-host.js";
import { type DeqfleetError, InputError, RetryableError } from "../shared/errors.js";
import type { Device } from "../shared/onnx/session.js";
import { hostOf } from "../shared/wire/address.js";
import { laneFolder, sweepLanes } from "../shared/wire/tensor-lane.js";
import { withinTime } from "../shared/within-time.js";
import { type HealthTimings, LocalWorker, type LocalWorkerEvent } from "./local-worker.js";
import { ExchangeServer } from "./wire/exchange-server.js";
import { GrpcSlice } from "./wire/grpc-slice.js";
import type { SliceTimeouts } from "./wire/slice-way.js";
import type { WorkerChannel } from "./wire/worker-channel.js";

/** What local workers are to be. */
export interface LocalFleetOptions {
  /** Number of processes, 1 or more. */
  readonly workers: number;
  /** Threads of each. */
  readonly threads: number;
  /** What their networks run on: they take turns; default: all on the processor. */
  readonly devices?: readonly Device[] | undefined;
  readonly modelPath: string;
  readonly signal: AbortSignal;
  /** Where the coordinator listens for its workers; default 127.0.0.1:0, a free port. */
  readonly listen?: string | undefined;
  /** A worker died, or came back. */
  readonly onEvent?: ((event: LocalWorkerEvent) => void) | undefined;
  /** A worker will not come back. */
  readonly onHopeless?: ((error: DeqfleetError) => void) | undefined;
  readonly timeouts?: SliceTimeouts | undefined;
  /** Limits of the network calls that serial chains on one worker share; default `batchLimits(null)`. */
  readonly batch?: BatchLimits | undefined;
  /** When a silent worker is given up; default {@link defaultHealthTimings}. */
  readonly health?: HealthTimings | undefined;
  /** Whether tensors pass through shared memory where the machine has any; default true. */
  readonly lanes?: boolean | undefined;
  /** Whether rounds have sockets of their own where there are no lanes, as between machines; default true. */
  readonly rounds?: boolean | undefined;
}

/** Started workers, supervised, and the way to give them slices. */
export interface LocalWorkers {
  readonly workers: readonly LocalWorker[];
  readonly network: NetworkCard;
  readonly timeouts: SliceTimeouts;
  readonly openSlice: (spec: SliceSpec, worker: WorkerChannel, signal: AbortSignal) => Promise<Slice>;
  /** Stops every worker. */
  close(): Promise<void>;
}

/** Generous: a serial chain of a large picture on a slow processor is one command. */
const defaultTimeouts: SliceTimeouts = { command: 2 * 3600 * 1000 };

/** A worker loads its model first. */
const startMilliseconds = 120_000;

/**
 * Starts the workers and shakes hands with all of them.
 * @throws InputError if the model cannot be used or the address not be bound, FatalError if workers cannot be started
 */
export async function startLocalWorkers(options: LocalFleetOptions): Promise<LocalWorkers> {
  const {
    modelPath,
    threads,
    devices = ["cpu"],
    signal,
    health,
    batch,
    onEvent = () => {},
    onHopeless,
  } = options;
  const { timeouts = defaultTimeouts } = options;
  if (!Number.isInteger(options.workers) || options.workers < 1) {
    throw new InputError(`--workers ${options.workers}: must be a whole number, 1 or more`);
  }
  // Every worker waits on it: more listeners than the ten that Node takes for a leak.
  setMaxListeners(0, signal);
  const exchange = await ExchangeServer.listen(options.listen ?? "127.0.0.1:0");
  const lanes = options.lanes === false ? undefined : laneFolder();
  if (lanes) sweepLanes(lanes);
  const shared = { modelPath, threads, lanes, health, batch, onEvent, onHopeless };
  const workers = Array.from(
    { length: options.workers },
    (_, index) =>
      new LocalWorker(`worker-${index + 1}`, { ...shared, device: devices[index % devices.length] }),
  );
  const close = async () => {
    exchange.close();
    await Promise.all(workers.map((worker) => worker.stop()));
  };
  try {
    if (!lanes && options.rounds !== false) await exchange.openRounds(`${hostOf(exchange.address)}:0`, null);
    const channels = await Promise.all(
      workers.map((worker) => withinTime(startMilliseconds, worker.name, signal, () => worker.channel())),
    );
    const [{ card }] = channels;
    if (channels.some((channel) => channel.card.hash !== card.hash)) {
      throw new RetryableError(`the model ${modelPath} changed while the workers were loading it`);
    }
    return {
      workers,
      network: card,
      timeouts,
      openSlice: (spec, worker, abort) => GrpcSlice.open(spec, worker, exchange, timeouts, lanes, abort),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
