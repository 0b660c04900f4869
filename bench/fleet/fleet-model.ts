/** The numbers that stand for a fleet. All times are seconds, all amounts of data bytes. */
import type { CostCurve } from "../../shared/fleet/cost-curve.js";

/** A fleet of like workers around one coordinator. */
export interface FleetModel {
  /** tau(batch): a worker's round of so many states, kernels included. */
  readonly cost: CostCurve;
  /** One tensor: 12 bytes a pixel. */
  readonly tensorBytes: number;
  readonly network: {
    /** One way, coordinator to worker. */
    readonly latency: number;
    /** Bytes a second of a worker's link, each way. */
    readonly bandwidth: number;
    /** Bytes a second of the coordinator's link, each way; all its workers share it. */
    readonly coordinatorBandwidth: number;
  };
  /** What the coordinator's one thread spends. */
  readonly coordinator: {
    /** A command or a report, whatever it carries. */
    readonly perMessage: number;
    /** A tensor that it receives and scans, or sends. */
    readonly perTensor: number;
    /** A picture whose chain passes through it: decoding, degrading, encoding. */
    readonly perPicture: number;
    /** A picture that a worker restores from file to file, from its place in the queue to the record of it, messages included. */
    readonly perItem: number;
  };
  /** Whether borders of cut chains move as the solver moves them, or stay where the chain was cut. */
  readonly borders: "moving" | "fixed";
  /** Calls of the network that take longer than they should. */
  readonly stragglers: {
    /** Share of the calls, 0 to 1. */
    readonly share: number;
    /** How many times longer these take, 1 or more. */
    readonly factor: number;
  };
  readonly failures: {
    /** A worker's deaths in an hour, 0 or more; the times between them are exponentially distributed. */
    readonly perWorkerHour: number;
    /** From a worker's death until its successor can be asked. */
    readonly restart: number;
    /** Opening a slice on the successor, beyond the tensors that it is sent. */
    readonly reseed: number;
    /** Rounds of progress that a chain loses with a slice. */
    readonly setback: number;
  };
  /** Of everything that happens by chance, 0 .. 2^53 - 1. */
  readonly seed: number;
}

/** How the workers are spent. */
export type FleetPlan =
  /**
   * Whole chains: each worker holds `batch` of them and takes one step of all in a call. It restores them from file to file; or the
   * coordinator does all but the chain, as the solver's serial chain has it.
   */
  | { readonly kind: "whole"; readonly batch: number; readonly files: "worker" | "coordinator" }
  /** Chains cut into `slices`, each slice on a worker of its own. */
  | { readonly kind: "cut"; readonly slices: number };

/** Seconds of one evaluation by itself. */
export const evaluationCost = ({ cost }: FleetModel): number => cost(1);

/** A plan in a few words. */
export function planText(plan: FleetPlan): string {
  if (plan.kind === "cut") return `cut in ${plan.slices}`;
  return plan.batch === 1 ? "whole chains" : `whole chains, ${plan.batch} a batch`;
}
