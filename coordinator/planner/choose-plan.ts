/**
 * How to spend a fleet: whole chains on each worker, batched, or chains cut into slices, so many pictures side by side.
 *
 * A pure function of what a call of the network costs each worker (cost curves), of what the wire costs, of the rounds that
 * chains are expected to need, of the queue and of the goal:
 *
 *     whole chains   a worker makes T calls for every b pictures: T tau_w(b) seconds; all workers take from one queue
 *     cut chains     a round of n states takes min over the cuts of max_w tau_w(k_w), sum k_w = n, and the wire's
 *                    time; a picture takes the sum over its rounds; groups of workers take from one queue
 *
 * `throughput` makes the time to the last picture small, `latency` the time of each. Of plans that are equal to a hundredth
 * the one that evaluates less is chosen: cutting a chain buys latency with compute.
 */
import { type MethodName, methods, windowOf } from "../../shared/chain/method.js";
import type { PlanName } from "../../shared/config/restore-settings.js";
import type { CostCurve } from "../../shared/fleet/cost-curve.js";
import type { Goal } from "../../shared/jobs/goal.js";
import { expectedEvaluations, expectedRounds } from "./expected-rounds.js";

/** How a run is computed. */
export type ChosenPlan = Exclude<PlanName, "auto">;

/** What the wire costs. Seconds. */
export interface WireCost {
  /** A round, whatever it carries. */
  readonly perRound: number;
  /** A tensor on its way to or from the coordinator, which all slices share. */
  readonly perTensor: number;
}

/** What the choice depends on. */
export interface PlanQuestion {
  readonly requested: PlanName;
  readonly goal: Goal;
  /** Pictures to restore, 1 or more. */
  readonly pictures: number;
  /** Of each worker, for pictures of the expected size; 1 or more. */
  readonly workers: readonly CostCurve[];
  readonly wire: WireCost;
  /** Whole chains in one call, 1 or more. */
  readonly batch: number;
  /** T. */
  readonly steps: number;
  readonly method: MethodName;
  /** Rounds allowed; null for no limit below T. */
  readonly maxRounds: number | null;
  /** Steps evaluated in a round; null: as the method has it. */
  readonly window: number | null;
  /** What the cost curves count, for the sentence that explains the choice. */
  readonly unit: "seconds" | "evaluations";
}

/** One way to spend the fleet, and what is expected of it. */
export interface PlanOption {
  readonly plan: ChosenPlan;
  /** Pictures at work at a time: whole chains on all workers together, or cut chains. */
  readonly sideBySide: number;
  /** Slices of a chain; 1 for whole chains. */
  readonly slices: number;
  /** Workers of each group that a cut chain gets, by number; of whole chains every worker by itself. */
  readonly groups: readonly (readonly number[])[];
  /** Until the last picture. */
  readonly seconds: number;
  /** From a picture's beginning to its end. */
  readonly latency: number;
  /** Pictures in one call of whole chains, 1 or more. */
  readonly batch: number;
  /** Network evaluations of one picture. */
  readonly evaluations: number;
}

/** Whether two options spend the workers the same way. */
export const isSame = (a: PlanOption, b: PlanOption): boolean =>
  a.plan === b.plan && a.slices === b.slices && a.sideBySide === b.sideBySide && a.batch === b.batch;

/** The plan and why. */
export interface PlanChoice extends PlanOption {
  readonly chosen: ChosenPlan;
  readonly goal: Goal;
  /** One sentence with the numbers compared. */
  readonly reason: string;
  /** All that were compared, the chosen one included; the best for the goal first. */
  readonly options: readonly PlanOption[];
}

/** The largest whole number of 0 .. `most` for which a predicate that does not come back holds; 0 if it never does. */
function largest(most: number, holds: (value: number) => boolean): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The shortest time within which workers get through `units`, each as many as it can. */
export function makespan(units: number, seconds: readonly ((units: number) => number)[]): number {
  const within = (bound: number) =>
    seconds.reduce((sum, of) => sum + largest(units, (count) => count === 0 || of(count) <= bound), 0);
  let [low, high] = [0, Math.min(...seconds.map((of) => of(units)))];
  for (let halvings = 0; halvings < 40; halvings++) {
    const middle = (low + high) / 2;
    if (within(middle) >= units) high = middle;
    else low = middle;
  }
  return high;
}

function wholeChains({ pictures, workers, steps }: PlanQuestion, batch: number): PlanOption {
  const full = Math.min(batch, Math.ceil(pictures / workers.length));
  const times = workers.map(
    (cost) => (count: number) =>
      steps * (Math.floor(count / full) * cost(full) + (count % full > 0 ? cost(count % full) : 0)),
  );
  // A picture is as likely to be on a worker as that worker is fast; few pictures are on the fastest ones.
  const busy = Math.min(workers.length, Math.ceil(pictures / full));
  const rates = workers
    .map((cost) => 1 / cost(full))
    .sort((a, b) => b - a)
    .slice(0, busy);
  const rate = rates.reduce((sum, r) => sum + r, 0);
  return {
    plan: "serial",
    sideBySide: Math.min(pictures, full * workers.length),
    slices: 1,
    groups: workers.map((_, worker) => [worker]),
    seconds: makespan(pictures, times),
    latency: (steps * busy) / rate,
    batch: full,
    evaluations: steps,
  };
}

/** Seconds of a cut chain over some workers. */
function cutSeconds(question: PlanQuestion, group: readonly CostCurve[], rounds: readonly number[]): number {
  const { wire } = question;
  const perRound = wire.perRound + 2 * group.length * wire.perTensor;
  const costs = group.map((cost) => (states: number) => (states === 0 ? 0 : cost(states)));
  return rounds.reduce((sum, states) => sum + makespan(states, costs) + perRound, 0);
}

/** Chains over groups of `slices` workers; like workers come together, so that none waits for a slower one. */
function cutChains(question: PlanQuestion, slices: number, rounds: readonly number[]): PlanOption {
  const { pictures, workers } = question;
  const count = Math.min(pictures, Math.floor(workers.length / slices));
  const bySpeed = [...workers.keys()].sort((a, b) => workers[a](1) - workers[b](1));
  const groups = Array.from({ length: count }, (_, g) =>
    bySpeed.slice(g * slices, (g + 1) * slices).sort((a, b) => a - b),
  );
  const times = groups.map((group) =>
    cutSeconds(
      question,
      group.map((worker) => workers[worker]),
      rounds,
    ),
  );
  const rate = times.reduce((sum, time) => sum + 1 / time, 0);
  return {
    plan: "time-parallel",
    sideBySide: count,
    slices,
    groups,
    seconds: makespan(
      pictures,
      times.map((time) => (units: number) => units * time),
    ),
    latency: count / rate,
    batch: 1,
    evaluations: rounds.reduce((sum, states) => sum + states, 0),
  };
}

/** Times that differ by less are equal. */
const equal = 0.01;

/** Every number of slices up to this, then powers of two. */
const everySlices = 32;

function slicesTried(most: number): number[] {
  const tried = [];
  for (let slices = 1; slices <= most; slices += slices < everySlices ? 1 : slices) tried.push(slices);
  return tried.at(-1) === most ? tried : [...tried, most];
}

/** Best first. */
function compare(goal: Goal): (a: PlanOption, b: PlanOption) => number {
  const [first, second] =
    goal === "latency" ? (["latency", "seconds"] as const) : (["seconds", "latency"] as const);
  const differ = (a: number, b: number) => (Math.abs(a - b) <= equal * Math.min(a, b) ? 0 : a - b);
  return (a, b) =>
    differ(a[first], b[first]) ||
    differ(a[second], b[second]) ||
    a.evaluations - b.evaluations ||
    a.slices - b.slices;
}

const amount = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;

/** Three digits, in seconds or minutes. */
export const durationText = (seconds: number): string =>
  seconds < 120 ? `${Number(seconds.toPrecision(3))} s` : `${Number((seconds / 60).toPrecision(3))} min`;

/** A plan in a few words. */
export const optionText = ({ plan, sideBySide, slices }: PlanOption): string =>
  plan === "serial"
    ? `whole chains, ${sideBySide} side by side`
    : `${amount(sideBySide, "chain")} at a time, cut over ${amount(slices, "worker")}`;

/** The best plan for the goal, among those asked for. */
export function choosePlan(question: PlanQuestion): PlanChoice {
  const { requested, goal, pictures, workers, steps, method, maxRounds } = question;
  const count = Math.min(expectedRounds(steps, method), maxRounds ?? steps);
  const window = question.window ?? windowOf(methods[method], steps);
  const rounds = expectedEvaluations(steps, count, window);
  const whole = wholeChains(question, question.batch);
  const options = [
    whole,
    // Pictures that share calls wait for each other.
    ...(goal === "latency" && whole.batch > 1 ? [wholeChains(question, 1)] : []),
    ...slicesTried(Math.min(workers.length, steps)).map((slices) => cutChains(question, slices, rounds)),
  ].sort(compare(goal));
  // Who asks for cut chains wants one at a time, over as many workers as there are.
  const most = Math.min(workers.length, steps);
  const asked = ({ plan, slices }: PlanOption) =>
    requested === "auto" || (plan === requested && (plan === "serial" || slices === most));
  const best = options.find(asked) as PlanOption;
  const other = options.find(({ plan }) => plan !== best.plan) as PlanOption;
  const why = requested === "auto" ? `is best for ${goal}` : "was asked for";
  const time = (value: number) =>
    question.unit === "seconds" ? durationText(value) : `${Number(value.toPrecision(3))} evaluations`;
  const times = (option: PlanOption) =>
    `${time(option.seconds)} in all and ${time(option.latency)} a picture`;
  const reason =
    `${best.plan} ${why}: for ${amount(pictures, "picture")} of ${amount(steps, "step")} on ${amount(workers.length, "worker")}, ` +
    `${optionText(best)} should take ${times(best)}; ${optionText(other)}: ${times(other)} (${amount(count, "round")} expected)`;
  return { ...best, chosen: best.plan, goal, reason, options };
}
