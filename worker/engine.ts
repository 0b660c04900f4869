/** What the worker's server needs of whatever computes its slices and chains: the engine thread, or a test's stand-in. */
import type { NetworkCard } from "../shared/chain/network-card.js";
import type { EngineResults, EngineTask } from "./engine/engine-protocol.js";
import type { PictureRestorer } from "./pictures/whole-pictures.js";

/** Performs the tasks of slices in the order in which they arrive. */
export interface Engine {
  readonly card: NetworkCard;
  readonly threads: number;
  /** What the network runs on: `cpu` or `cuda:N`. */
  readonly device: string;
  /** Resolves when the engine has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Does one task. Buffers listed in `transfer` are gone afterwards. */
  perform<Kind extends EngineTask["kind"]>(
    task: Extract<EngineTask, { kind: Kind }>,
    transfer?: readonly ArrayBufferLike[],
  ): Promise<EngineResults[Kind]>;
  /** Restores whole pictures, whose chains it solves. */
  pictures(): PictureRestorer;
  close(): Promise<void>;
}
