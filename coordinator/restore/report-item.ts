/** One picture's line of the report, from what is known of it. */
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";
import type { ChosenPlan } from "../planner/choose-plan.js";
import type { PicturePlace } from "./picture-places.js";
import { type ReportItem, reportItemSchema } from "./report.js";

/** The item of a picture of which nothing is known yet. */
export function emptyItem(place: PicturePlace, settings: RestoreSettings): ReportItem {
  return {
    input: place.input,
    output: place.output,
    status: "cancelled",
    plan: null,
    method: settings.method,
    steps: settings.steps,
    rounds: null,
    evaluations: null,
    residuals: [],
    converged: null,
    consistency: null,
    psnr: null,
    ssim: null,
    seconds: { total: null, model: null, wire: null, other: null },
  };
}

/** An outcome of a picture that `deqfleet restore` restored. */
export type DoneOutcome = ItemOutcome & Required<Pick<ItemOutcome, "course">>;

/** Whether an outcome is one. */
export const isDone = (outcome: ItemOutcome): outcome is DoneOutcome =>
  outcome.status === "done" && outcome.course !== undefined;

/** The item of a restored picture, now or by an earlier run. */
export function doneItem(outcome: DoneOutcome, place: PicturePlace, settings: RestoreSettings): ReportItem {
  const { plan, rounds, evaluations, consistency, psnr, ssim, seconds: total, deliveries } = outcome;
  const { seconds, ...course } = outcome.course;
  const other = Math.max(0, total - seconds.model - seconds.wire);
  return reportItemSchema.parse({
    ...emptyItem(place, settings),
    status: "done",
    plan,
    rounds,
    evaluations,
    ...{ consistency, psnr, ssim },
    ...course,
    seconds: { total, ...seconds, other },
    attempts: deliveries,
    ...(place.measurement === undefined ? {} : { measurement: place.measurement }),
  });
}

/** The item of a picture that could not be restored. @param seconds since it was begun */
export function failedItem(
  { status, errors, deliveries }: ItemOutcome,
  place: PicturePlace,
  settings: RestoreSettings,
  plan: ChosenPlan,
  seconds: number,
): ReportItem {
  const empty = emptyItem(place, settings);
  const message = errors.at(-1) ?? "failed";
  const error = status === "dead" ? `${message} (given up after ${deliveries} attempts)` : message;
  return {
    ...empty,
    status: "failed",
    plan,
    seconds: { ...empty.seconds, total: seconds },
    error,
    attempts: deliveries,
  };
}
