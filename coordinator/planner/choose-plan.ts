/**
 * Serial or time-parallel: which of the two ways to spend a fleet finishes a dataset sooner.
 *
 * Both are compared by their critical path, in network evaluations of one state that some worker has to make one after
 * the other. The serial chain makes T evaluations a picture and no extra; time-parallel makes several times as many in
 * all and only ever buys latency with them.
 */
import type { MethodName } from "../../shared/chain/method.js";
import type { PlanName } from "../../shared/config/restore-settings.js";

/** How a run is computed. */
export type ChosenPlan = Exclude<PlanName, "auto">;

/** What the choice depends on. */
export interface PlanQuestion {
  readonly requested: PlanName;
  /** Pictures to restore, 1 or more. */
  readonly pictures: number;
  /** Slices that can work side by side, 1 or more. */
  readonly workers: number;
  /** T. */
  readonly steps: number;
  readonly method: MethodName;
  /** Rounds allowed; null for no limit below T. */
  readonly maxRounds: number | null;
}

/** The plan and why. */
export interface PlanChoice {
  readonly chosen: ChosenPlan;
  /** One sentence with the numbers compared. */
  readonly reason: string;
  /** Evaluations on the critical path of the serial plan. */
  readonly serial: number;
  /** Expected evaluations on the critical path of the time-parallel plan. */
  readonly timeParallel: number;
}

/** Rounds to convergence at T = 25, measured on the default prior over all tasks, rounded up. */
const roundsAt25: Readonly<Record<MethodName, number>> = {
  secant: 8,
  parataa: 13,
  deqir: 16,
  picard: 20,
  paradigms: 20,
};

/** Rounds grow like T^0.3: 8 at T = 25 become 10 at T = 50 and 13 at T = 100. */
const growth = 0.3;

/** Rounds a chain of T steps is expected to need; never more than T, which always suffice. */
export function expectedRounds(steps: number, method: MethodName): number {
  return Math.min(steps, Math.ceil(roundsAt25[method] * (steps / 25) ** growth));
}

/** The plan with the shorter critical path; serial where they are equal, since it computes less. */
export function choosePlan(question: PlanQuestion): PlanChoice {
  const { requested, pictures, workers, steps, method, maxRounds } = question;
  const rounds = Math.min(expectedRounds(steps, method), maxRounds ?? steps);
  const serial = Math.ceil(pictures / workers) * steps;
  const timeParallel = pictures * rounds * Math.ceil(steps / workers);
  const faster: ChosenPlan = timeParallel < serial ? "time-parallel" : "serial";
  const chosen = requested === "auto" ? faster : requested;
  const why = requested === "auto" ? "has the shorter critical path" : "was asked for";
  const amount = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const reason =
    `${chosen} ${why}: for ${amount(pictures, "picture")} of ${amount(steps, "step")} on ${amount(workers, "worker")}, ` +
    `serial takes ${amount(serial, "evaluation")} one after the other, ` +
    `time-parallel about ${timeParallel} (${amount(rounds, "round")} expected)`;
  return { chosen, reason, serial, timeParallel };
}
