/**
 * Where the borders of a chain's slices belong, once some of its states are final and its workers have shown their speeds.
 *
 * A round takes as long as its slowest worker, and moving a step costs the wire. Of the cuts that keep the slices in the
 * chain's order this looks for the one with the least
 *
 *     rounds left x seconds of the slowest worker + steps moved x seconds of one
 *
 * For a bound on the slowest worker's seconds the fewest moves are found by dynamic programming over (slices placed, idle
 * workers used, border); the bounds worth trying are the smallest that leave room for all steps.
 */
import { overlap, type StepRange } from "./cut-chain.js";

/** A slice and the worker that has it. */
export interface HeldRange extends StepRange {
  readonly worker: number;
}

/** What the cut depends on. */
export interface BorderQuestion {
  /** The slices with steps to evaluate or to correct, in the chain's order: they cover it from before `work` to its end. */
  readonly held: readonly HeldRange[];
  /** Workers of this chain that hold none of it. */
  readonly idle: readonly number[];
  /** The steps that the next round evaluates. */
  readonly work: StepRange;
  /** Seconds a worker takes for the evaluation of so many states; not falling. */
  readonly seconds: (worker: number, states: number) => number;
  /** Rounds still to come, about: 1 or more. */
  readonly rounds: number;
  /** Seconds that moving one step from slice to slice costs. */
  readonly perStep: number;
  /** Seconds that it costs to move anything at all. */
  readonly perMove: number;
  /** Steps a slice may have at most: what its worker has memory for. */
  readonly longest: number;
}

/** A new cut. */
export interface BorderPlan {
  /** In the chain's order. */
  readonly ranges: readonly HeldRange[];
  /** Steps that change hands. */
  readonly moved: number;
}

/** Bounds tried: each allows the slowest worker about one state more than the one before. */
const boundsTried = 6;

/** How many states a worker evaluates within a bound, of `most`. */
function statesWithin({ seconds }: BorderQuestion, worker: number, bound: number, most: number): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (seconds(worker, middle) <= bound) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The cut with the fewest moves in which no worker has more states to evaluate than it may. */
function fewestMoves(question: BorderQuestion, most: ReadonlyMap<number, number>): BorderPlan | undefined {
  const { held, idle, work, longest } = question;
  const start = held[0].begin;
  const end = held[held.length - 1].end;
  const width = end - start + 1;
  const states = (held.length + 1) * (idle.length + 1);
  const at = (placed: number, used: number) => placed * (idle.length + 1) + used;
  const costs = Array.from({ length: states }, () => new Float64Array(width).fill(Number.POSITIVE_INFINITY));
  /** Where the last segment began, and whether an idle worker has it. */
  const from = Array.from({ length: states }, () => new Int32Array(width).fill(-1));
  const byIdle = Array.from({ length: states }, () => new Uint8Array(width));
  const room = (worker: number) => most.get(worker) ?? 0;
  const ahead = (workers: readonly number[]) => workers.reduce((sum, worker) => sum + room(worker), 0);
  costs[at(0, 0)][0] = 0;
  for (let placed = 0; placed <= held.length; placed++) {
    const heldRoom = ahead(held.slice(placed).map(({ worker }) => worker));
    for (let used = 0; used <= idle.length; used++) {
      const reached = costs[at(placed, used)];
      const roomLeft = heldRoom + ahead(idle.slice(used));
      for (let p = 0; p < width; p++) {
        if (reached[p] === Number.POSITIVE_INFINITY) continue;
        if (overlap({ begin: start + p, end }, work) > roomLeft) continue;
        const extend = (worker: number, own: HeldRange | undefined, into: number) => {
          for (let q = p + 1; q < width; q++) {
            const range = { begin: start + p, end: start + q };
            if (range.end - Math.max(range.begin, work.begin) > longest) break;
            if (overlap(range, work) > room(worker)) break;
            // The first slice goes on from a final state; what comes after it is evaluated.
            if (placed === 0 && range.end <= work.begin && range.end !== own?.end) continue;
            // An idle worker is also sent the state that its first step starts from.
            const moves = own ? q - p - overlap(range, own) : q - p + 1;
            const cost = reached[p] + moves;
            if (cost >= costs[into][q]) continue;
            costs[into][q] = cost;
            from[into][q] = p;
            byIdle[into][q] = own ? 0 : 1;
          }
        };
        if (placed < held.length) extend(held[placed].worker, held[placed], at(placed + 1, used));
        // The first slice stays the first: a final state before it need not move.
        if (used < idle.length && placed > 0) extend(idle[used], undefined, at(placed, used + 1));
      }
    }
  }
  let best = 0;
  for (let used = 1; used <= idle.length; used++) {
    if (costs[at(held.length, used)][width - 1] < costs[at(held.length, best)][width - 1]) best = used;
  }
  const moved = costs[at(held.length, best)][width - 1];
  if (moved === Number.POSITIVE_INFINITY) return undefined;
  const ranges: HeldRange[] = [];
  let [placed, used, q] = [held.length, best, width - 1];
  while (placed > 0 || used > 0) {
    const p = from[at(placed, used)][q];
    const idleHas = byIdle[at(placed, used)][q] === 1;
    const worker = idleHas ? idle[--used] : held[--placed].worker;
    // A first slice that would get too long drops what is final of it.
    const begin = q - p > longest ? Math.max(start + p, work.begin) : start + p;
    ranges.unshift({ worker, begin, end: start + q });
    q = p;
  }
  return { ranges, moved };
}

/** The best cut; undefined where it is best to leave the borders as they are. */
export function moveBorders(question: BorderQuestion): BorderPlan | undefined {
  const { held, idle, work, seconds, rounds, perStep, perMove, longest } = question;
  const workers = [...held.map(({ worker }) => worker), ...idle];
  const now = Math.max(...held.map((range) => seconds(range.worker, overlap(range, work))));
  const total = work.end - work.begin;
  const bounds = new Set<number>();
  for (const worker of workers) {
    for (let states = 1; states <= Math.min(total, longest); states++) {
      const bound = seconds(worker, states);
      if (bound >= now) break;
      bounds.add(bound);
    }
  }
  let best: BorderPlan | undefined;
  let least = rounds * now;
  let tried = 0;
  for (const bound of [...bounds].sort((a, b) => a - b)) {
    // No move costs less than none.
    if (tried === boundsTried || rounds * bound + perMove + perStep >= least) break;
    const most = new Map(workers.map((worker) => [worker, statesWithin(question, worker, bound, total)]));
    if ([...most.values()].reduce((sum, states) => sum + states, 0) < total) continue;
    const plan = fewestMoves(question, most);
    if (!plan) continue;
    tried++;
    const cost = rounds * bound + perMove + perStep * plan.moved;
    if (cost >= least) continue;
    least = cost;
    best = plan;
  }
  return best;
}
