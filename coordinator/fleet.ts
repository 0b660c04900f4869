/** The workers a run can use, however they came to be. */
import type { NetworkCard } from "../shared/chain/network-card.js";
import type { SliceHost } from "../shared/chain/slice-host.js";

/** One worker, as reports describe it. */
export interface WorkerDescription {
  readonly name: string;
  readonly pid: number;
  /** Where its gRPC server listens. */
  readonly address: string;
  /** What the network runs on, e.g. `cpu`. */
  readonly device: string;
  readonly threads: number;
  readonly version: string;
  /** Times it was started again. */
  readonly restarts: number;
}

/** Workers with one network loaded, ready for slices. */
export interface Fleet {
  readonly host: SliceHost;
  readonly network: NetworkCard;
  workers(): readonly WorkerDescription[];
  /** Stops every worker. */
  close(): Promise<void>;
}
