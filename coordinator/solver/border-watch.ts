/**
 * What rounds have shown of the workers and of the wire, and what follows from it for the borders.
 *
 * Workers: seconds of a round = factor x (a + b states), a and b fitted over all workers' rounds, a factor for each worker
 * whose speed differs from the others' by more than measurements do. The wire: what a round takes beyond its slowest
 * worker, of which each slice had one tensor up and one down, as a moved state does; and once steps have been moved, what that took.
 * Steps move by three exchanges one after the other, in which slices are corrected, give and take.
 */
import type { RoundReport } from "../../shared/chain/slice-host.js";
import { sameSpeed } from "./cut-chain.js";
import { type BorderPlan, type BorderQuestion, moveBorders } from "./move-borders.js";

/** What the solver knows when it asks. */
export type BorderSituation = Pick<BorderQuestion, "held" | "idle" | "work" | "rounds">;

/** Decides where borders belong in the next round. */
export interface BorderPolicy {
  /** A round's reports, of the workers in the same order, and the seconds it took. */
  observe(workers: readonly number[], reports: readonly RoundReport[], seconds: number): void;
  /** What moving so many steps took, once the slices were corrected. */
  observeMove(steps: number, seconds: number): void;
  /** The new borders; undefined: they stay. */
  plan(situation: BorderSituation): BorderPlan | undefined;
}

/** Borders stay where the chain was cut first: for comparison. */
export const fixedBorders: BorderPolicy = { observe: () => {}, observeMove: () => {}, plan: () => undefined };

/** Rounds that are looked back on. */
const remembered = 5;

/** Exchanges of a move. */
const exchanges = 3;

/** Those of them that what it took is measured over: slices have been corrected by then. */
const timed = exchanges - 1;

/** Rounds of a worker after which a difference in speed is believed that is larger than {@link sameSpeed}; before, one of two. */
const believed = 3;

/** Share of the newest measurement in the wire's cost. */
const newest = 0.5;

interface Measured {
  readonly states: number;
  readonly seconds: number;
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
};

/** a and b, neither negative, of the least squares of seconds = a + b states. */
export function fitCost(points: readonly Measured[]): (states: number) => number {
  const mean = (of: (point: Measured) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const x = mean(({ states }) => states);
  const y = mean(({ seconds }) => seconds);
  const spread = mean(({ states }) => (states - x) ** 2);
  const slope = mean(({ states, seconds }) => (states - x) * (seconds - y)) / spread;
  // Rounds of one length say nothing of another: cost is then taken to grow with the states.
  const b = spread === 0 || slope > y / x ? y / x : Math.max(0, slope);
  const a = y - b * x;
  return (states) => a + b * states;
}

export class BorderWatch implements BorderPolicy {
  readonly #longest: number;
  readonly #rounds = new Map<number, Measured[]>();
  /** Seconds of the wire in the latest rounds. */
  #wire: number[] = [];
  #slices = 1;
  /** As measured; undefined before anything has moved. */
  #perStep: number | undefined;

  /** @param longest steps a slice may have at most */
  constructor(longest: number) {
    this.#longest = longest;
  }

  observe(workers: readonly number[], reports: readonly RoundReport[], seconds: number): void {
    let slowest = 0;
    let slices = 0;
    for (const [i, { evaluations, seconds: spent }] of reports.entries()) {
      slowest = Math.max(slowest, spent.total);
      if (evaluations === 0) continue;
      slices++;
      const measured = this.#rounds.get(workers[i]) ?? [];
      this.#rounds.set(
        workers[i],
        [...measured, { states: evaluations, seconds: spent.network + spent.kernels }].slice(-remembered),
      );
    }
    if (slices === 0) return;
    this.#slices = slices;
    this.#wire = [...this.#wire, Math.max(0, seconds - slowest)].slice(-remembered);
  }

  observeMove(steps: number, seconds: number): void {
    const found = Math.max(0, seconds - timed * this.#perExchange) / steps;
    this.#perStep = this.#perStep === undefined ? found : (1 - newest) * this.#perStep + newest * found;
  }

  /** A round may wait for a worker that another chain has, or for a thread that is busy: the least is the wire's own. */
  get #perExchange(): number {
    return Math.min(...this.#wire);
  }

  plan(situation: BorderSituation): BorderPlan | undefined {
    const points = [...this.#rounds.values()].flat();
    if (points.length === 0) return undefined;
    const cost = fitCost(points);
    const factors = new Map<number, number>();
    for (const [worker, rounds] of this.#rounds) {
      factors.set(worker, median(rounds.map(({ states, seconds }) => seconds / cost(states))));
    }
    const usual = median([...factors.values()]);
    const factorOf = (worker: number) => {
      const factor = factors.get(worker) ?? usual;
      // One that had to wait for a core twice is not slow.
      const doubt = (this.#rounds.get(worker)?.length ?? 0) < believed ? 1 : sameSpeed;
      return Math.max(factor / usual, usual / factor) <= 1 + doubt ? usual : factor;
    };
    return moveBorders({
      ...situation,
      seconds: (worker, states) => (states === 0 ? 0 : factorOf(worker) * cost(states)),
      perStep: this.#perStep ?? this.#perExchange / this.#slices,
      perMove: exchanges * this.#perExchange,
      longest: this.#longest,
    });
  }
}
