/** The workers a run can use, however they came to be. */
import type { NetworkCard } from "../shared/chain/network-card.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import type { CostPoint } from "../shared/fleet/cost-point.js";
import type { PictureSize } from "../shared/operators/task.js";
import type { RestoredWhole, WholePicture } from "../shared/restore/whole-picture.js";

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

/** Workers with one network loaded, ready for slices and whole pictures. */
export interface Fleet {
  readonly host: SliceHost;
  readonly network: NetworkCard;
  /**
   * Has a worker restore a picture, see {@link restoreOnWorker}.
   * @param worker its number, 0 .. host.width - 1
   */
  restore(worker: number, picture: WholePicture, signal: AbortSignal): Promise<RestoredWhole>;
  /**
   * What network calls on states of a size cost each worker; all measure at the same time, as they will work. Undefined: they cannot
   * be asked.
   * @param seconds to spend on it, about
   */
  readonly measure?:
    | ((
        seconds: number,
        size: PictureSize,
        signal: AbortSignal,
      ) => Promise<readonly (readonly CostPoint[])[]>)
    | undefined;
  workers(): readonly WorkerDescription[];
  /** Stops every worker. */
  close(): Promise<void>;
}
