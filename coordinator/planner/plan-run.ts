/** Plans a run: gathers what the choice depends on, asking the workers only where that can change it. */
import { type BatchLimits, picturesPerCall } from "../../shared/chain/batch-limits.js";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { Fleet } from "../fleet.js";
import { choosePlan, type PlanChoice, type PlanQuestion, type WireCost } from "./choose-plan.js";
import { workerCosts } from "./worker-costs.js";

/** A plan, and how much is known of it. */
export interface RunPlan extends PlanChoice {
  /** Where the costs are from; `unknown`: in place of seconds stand network evaluations of one state. */
  readonly costs: "measured" | "cached" | "unknown";
}

/** What a run's plan depends on. */
export interface RunQuestion {
  readonly settings: RestoreSettings;
  readonly fleet: Fleet;
  readonly pictures: number;
  /** Of the first picture's canvas: those of a dataset mostly share one. */
  readonly size: PictureSize;
  readonly limits: BatchLimits;
  readonly runtime: string;
  /** Measure costs that are not known: where they can change the choice, or in any case, for the times. */
  readonly measure: "if-needed" | "always";
  /** Folder of the cache. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Loopback gRPC with tensors in shared memory: measured by bench/overhead.ts, to a factor of two. */
const loopback = { perRound: 0.002, perByte: 0.5e-9 };

const freeWire: WireCost = { perRound: 0, perTensor: 0 };

/** Nothing is known of the workers but that they are alike: times are counted in evaluations. */
const evaluation = (batch: number): number => batch;

/** The cheapest that larger calls can be. */
const constant = (): number => 1;

export async function planRun(run: RunQuestion): Promise<RunPlan> {
  const { settings, fleet, pictures, size, limits, signal } = run;
  const { plan: requested, goal, steps, method, maxRounds, window } = settings;
  const { width } = fleet.host;
  const question = {
    ...{ requested, goal, pictures, steps, method, maxRounds, window },
    batch: picturesPerCall(limits, size),
    workers: Array.from({ length: width }, () => evaluation),
    wire: freeWire,
    unit: "evaluations",
  } satisfies PlanQuestion;
  // Where one plan is best whether larger calls cost nothing more or everything, there is nothing to find out.
  const extremes = [evaluation, constant].map(
    (cost) => choosePlan({ ...question, workers: question.workers.map(() => cost) }).chosen,
  );
  const needed = requested === "auto" && extremes[0] !== extremes[1];
  const measure = run.measure === "always" || needed;
  const { runtime, folder } = run;
  const costs = await workerCosts({ fleet, runtime, size, folder, measure, signal });
  if (!costs) return { ...choosePlan(question), costs: "unknown" };
  const perTensor = loopback.perByte * 12 * size.height * size.width;
  const wire = { perRound: loopback.perRound, perTensor };
  return {
    ...choosePlan({ ...question, workers: costs.curves, wire, unit: "seconds" }),
    costs: costs.source,
  };
}
