/** What the worker's main thread and its engine thread say to each other. Buffers are transferred, never copied. */
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type { RoundCommand, RoundReport, SerialReport, SliceSpec } from "../../shared/chain/slice-host.js";
import type { ErrorKind } from "../../shared/errors.js";

/** How the engine is started. */
export interface EngineOptions {
  /** Path of the model. */
  readonly modelPath: string;
  /** Threads of one operator. */
  readonly threads: number;
}

/** One thing to do. Tasks are done in the order in which they arrive. */
export type EngineTask =
  | { readonly kind: "open"; readonly slice: number; readonly spec: SliceSpec }
  | { readonly kind: "round"; readonly slice: number; readonly command: RoundCommand }
  | { readonly kind: "serial"; readonly slice: number }
  | { readonly kind: "read"; readonly slice: number; readonly which: "entry" | "exit" }
  | { readonly kind: "close"; readonly slice: number };

/** What each kind of task returns. */
export interface EngineResults {
  open: undefined;
  round: RoundReport;
  serial: SerialReport;
  read: Float32Array;
  close: undefined;
}

/** A task with the number its answer carries. */
export interface EngineRequest {
  readonly id: number;
  readonly task: EngineTask;
}

/** An error that crossed the thread border. */
export interface EngineFailure {
  readonly kind: ErrorKind;
  readonly message: string;
}

/** The first message of an engine, then one answer per request. */
export type EngineMessage =
  | { readonly type: "ready"; readonly card: NetworkCard }
  | { readonly type: "unusable"; readonly failure: EngineFailure }
  | { readonly type: "done"; readonly id: number; readonly result: EngineResults[keyof EngineResults] }
  | { readonly type: "failed"; readonly id: number; readonly failure: EngineFailure };
