/** What the worker's main thread and its engine thread say to each other. Buffers are transferred, never copied. */
import type { MessagePort } from "node:worker_threads";
import type { BatchLimits } from "../../shared/chain/batch-limits.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type {
  Recut,
  RoundCommand,
  RoundReport,
  SerialReport,
  SliceSpec,
  StepRun,
} from "../../shared/chain/slice-host.js";
import type { TlsSettings } from "../../shared/config/security-settings.js";
import type { CostPoint } from "../../shared/fleet/cost-point.js";
import type { Device } from "../../shared/onnx/session.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { TimedPart } from "../../shared/telemetry/timed-parts.js";
import type { Failure } from "../../shared/wire/generated/deqfleet/v1/Failure.js";
import type { MovedHeader } from "../../shared/wire/moved-codec.js";
import type { WireTotal } from "../../shared/wire/wire-traffic.js";
import type { CallTotals } from "./measured-network.js";

/** A tensor that lies in the slice's lane. */
export interface InLane {
  readonly lane: number;
  /** Numbers. */
  readonly length: number;
}

/** A tensor on its way to or from the engine. */
export type EngineTensor = Float32Array | InLane;

/** A round, its correction wherever it lies. */
export type EngineRound = Omit<RoundCommand, "correction"> & {
  readonly correction: EngineTensor | undefined;
};

/** A new range, the numbers of the steps taken wherever they lie. */
export type EngineRecut = Omit<Recut, "taken"> & {
  readonly taken: readonly MovedHeader[];
  readonly numbers: EngineTensor | undefined;
};

/** How the engine is started. */
export interface EngineOptions {
  /** Path of the model. */
  readonly modelPath: string;
  /** Threads of one operator. */
  readonly threads: number;
  /** Where lanes to a coordinator on this machine lie; undefined: there are none. */
  readonly laneFolder: string | undefined;
  /** Limits of the network calls that serial chains share; undefined: the default. */
  readonly batch?: BatchLimits | undefined;
  /** Files of the certificates that coordinators' sockets ask for; default null: none. */
  readonly tls?: TlsSettings | null | undefined;
  /** What the network runs on; default: `cpu`. */
  readonly device?: Device | undefined;
  /** Seconds spent on measuring network calls before the engine is ready; default: 0. */
  readonly measureSeconds?: number | undefined;
}

/**
 * One thing to do. Tasks are begun in the order in which they arrive, each when the one before is done. Only a serial chain, and the end of a socket,
 * is not waited for: the chain it is made beside the tasks that follow, and ends early if one of them closes its slice.
 */
export type EngineTask =
  | {
      readonly kind: "open";
      readonly slice: number;
      readonly spec: SliceSpec;
      /** Names the slice to the coordinator's sockets. */
      readonly token: string;
      /** Names of the slice's lane and of the socket for rounds beside it, and the address of another; empty: none. */
      readonly lane: string;
      readonly laneSocket: string;
      readonly roundAddress: string;
    }
  /** Waits for the end of the slice's socket for rounds, if it has one. */
  | { readonly kind: "follow"; readonly slice: number }
  | { readonly kind: "round"; readonly slice: number; readonly command: EngineRound }
  | { readonly kind: "serial"; readonly slice: number }
  | { readonly kind: "read"; readonly slice: number; readonly which: "entry" | "exit" }
  | { readonly kind: "give"; readonly slice: number; readonly run: StepRun }
  | { readonly kind: "recut"; readonly slice: number; readonly recut: EngineRecut }
  /** Rounds that come by sockets are refused from now on. */
  | { readonly kind: "drain" }
  | { readonly kind: "measure"; readonly seconds: number; readonly size: PictureSize }
  | { readonly kind: "close"; readonly slice: number };

/** What each kind of task returns. */
export interface EngineResults {
  /** Whether the lane was found. */
  open: boolean;
  /** Whether the socket ended and the slice did not. */
  follow: boolean;
  round: Omit<RoundReport, "exit"> & { readonly exit: EngineTensor | undefined };
  serial: Omit<SerialReport, "exit"> & { readonly exit: EngineTensor };
  read: EngineTensor;
  give: MovedHeader & { readonly numbers: EngineTensor };
  recut: undefined;
  drain: undefined;
  measure: readonly CostPoint[];
  /** The rounds it has done, in order. */
  close: readonly TimedPart[] | undefined;
}

/** A task with the number its answer carries. */
export interface EngineRequest {
  readonly id: number;
  readonly task: EngineTask;
}

/** Sent instead of a request: the engine is wanted no more, whatever it has left to do. */
export const endEngine = "end";

/** Somebody else whom the engine is to serve: by this port whole chains come, as calls with a ChainSpec (port-calls.ts). */
export interface EngineConnection {
  readonly chains: MessagePort;
}

/** Bytes that the engine's thread holds, beyond the sessions of the runtime. */
export interface EngineMemory {
  /** States, kernels, tensors on their way. */
  readonly buffers: number;
  readonly heap: number;
}

/** What an engine goes on with, but not as it should. */
export type EngineTrouble =
  /** A coordinator's socket for rounds that cannot be reached: its rounds come by gRPC. */
  | { readonly kind: "rounds-unreachable"; readonly address: string; readonly reason: string }
  /** No further session of the model can be made: network calls are limited to the batches that there are. */
  | { readonly kind: "batches-limited"; readonly reason: string };

/** The first message of an engine, then one answer per request, and what calls cost whenever more is known. */
export type EngineMessage =
  | { readonly type: "ready"; readonly card: NetworkCard }
  | {
      readonly type: "costs";
      /** Points of the cost curve that changed. */
      readonly points: readonly CostPoint[];
      readonly totals: readonly CallTotals[];
      readonly memory: EngineMemory;
      /** What passed by lanes and their sockets so far. */
      readonly wire: readonly WireTotal[];
    }
  | { readonly type: "trouble"; readonly trouble: EngineTrouble }
  | { readonly type: "unusable"; readonly failure: Failure }
  | { readonly type: "done"; readonly id: number; readonly result: EngineResults[keyof EngineResults] }
  | { readonly type: "failed"; readonly id: number; readonly failure: Failure };
