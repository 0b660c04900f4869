/** What a run tells while it goes on, for progress display. */
import type { WorkerDescription } from "../fleet.js";
import type { ChosenPlan } from "../planner/choose-plan.js";
import type { ReportItem, RestoreReport } from "./report.js";

/** A picture's result is known. */
export interface PictureSettled {
  readonly event: "picture-done" | "picture-failed" | "picture-skipped";
  /** Relative path. */
  readonly picture: string;
  readonly item: ReportItem;
}

/** A worker died or came back. */
export interface WorkerEvent {
  readonly worker: string;
  readonly kind: "lost" | "ready";
  readonly reason: string;
}

/** One thing that happened. `picture` is a picture's relative path. */
export type RestoreEvent =
  | {
      readonly event: "run-started";
      /** Pictures found, those to skip included. */
      readonly pictures: number;
      /** Pictures that an earlier run finished. */
      readonly skipped: number;
      /** null if there is nothing to restore. */
      readonly plan: ChosenPlan | null;
      readonly reason: string;
      readonly workers: readonly WorkerDescription[];
    }
  | { readonly event: "picture-started"; readonly picture: string; readonly attempt: number }
  | {
      readonly event: "round";
      readonly picture: string;
      readonly round: number;
      /** Largest residual relative to its tolerance; at or below 1 the chain has converged. */
      readonly largestRatio: number;
      /** States that are final, of `steps`. */
      readonly final: number;
      readonly steps: number;
    }
  | PictureSettled
  | ({ readonly event: "worker" } & WorkerEvent)
  | {
      readonly event: "run-finished";
      readonly status: RestoreReport["run"]["status"];
      readonly counts: RestoreReport["run"]["counts"];
      readonly seconds: number;
      readonly report: string;
    };
