/** From what a run has come to, to its report. */
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import type { FatalError } from "../../shared/errors.js";
import type { WorkerDescription } from "../fleet.js";
import { isSame, type PlanOption } from "../planner/choose-plan.js";
import type { RunPlan } from "../planner/plan-run.js";
import { describeMachine, describeVersions } from "./machine.js";
import type { PicturePlace } from "./picture-places.js";
import { countItems, type ReportItem, type RestoreReport, reportSchemaVersion } from "./report.js";
import { emptyItem } from "./report-item.js";

/** The best of those that were not chosen. */
const alternativesShown = 8;

/** What a run has come to, filled in as it goes. */
export interface RunRecord {
  readonly startedAt: Date;
  readonly places: readonly PicturePlace[];
  readonly items: Map<PicturePlace, ReportItem>;
  readonly modelHash: string;
  /** null without a mask. */
  readonly maskHash: string | null;
  settings: RestoreSettings;
  plan: RunPlan | undefined;
  /** Milliseconds of a clock that never goes back: when the pictures were begun, and when the last one was settled. */
  begun: number;
  ended: number;
  workers: readonly WorkerDescription[];
  error: FatalError | undefined;
}

function describePlan({ settings, plan, items, begun, ended }: RunRecord): RestoreReport["run"]["plan"] {
  const { plan: requested, goal } = settings;
  if (!plan) {
    const none = {
      chosen: null,
      sideBySide: null,
      slices: null,
      costs: null,
      predicted: null,
      outcome: null,
    };
    return { requested, goal, ...none, reason: "no chain was run", alternatives: [] };
  }
  const known = plan.costs !== "unknown";
  const times = ({ seconds, latency }: PlanOption) => (known ? { seconds, latency } : null);
  const done = [...items.values()].filter(({ status }) => status === "done");
  const total = done.reduce((sum, { seconds }) => sum + (seconds.total ?? 0), 0);
  const outcome =
    done.length === 0 ? null : { seconds: (ended - begun) / 1000, latency: total / done.length };
  return {
    ...{ requested, goal, chosen: plan.chosen, sideBySide: plan.sideBySide, slices: plan.slices },
    reason: plan.reason,
    costs: plan.costs,
    predicted: times(plan),
    outcome,
    alternatives: plan.options
      .filter((option) => !isSame(option, plan))
      .slice(0, alternativesShown)
      .map((option) => {
        const { plan: chosen, sideBySide, slices } = option;
        return { plan: chosen, sideBySide, slices, predicted: times(option) };
      }),
  };
}

/** The report of a run, every picture in it: those not reached have the status `cancelled`. */
export function makeReport(record: RunRecord, finishedAt: Date): RestoreReport {
  const { settings, places, items, modelHash, workers, startedAt, error } = record;
  const all = places.map((place) => items.get(place) ?? emptyItem(place, settings));
  const counts = countItems(all);
  const status = error ? "failed" : counts.cancelled > 0 ? "cancelled" : "finished";
  return {
    schemaVersion: reportSchemaVersion,
    run: {
      status,
      ...(error ? { error: error.message } : {}),
      settings,
      model: { path: settings.model, hash: modelHash },
      machine: describeMachine(),
      workers: workers.map((worker) => ({ ...worker })),
      versions: describeVersions(),
      plan: describePlan(record),
      startedAt: startedAt.toISOString(),
      finishedAt: finishedAt.toISOString(),
      seconds: (finishedAt.getTime() - startedAt.getTime()) / 1000,
      counts,
    },
    items: all,
  };
}
