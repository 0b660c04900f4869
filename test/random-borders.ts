/** Borders that move at random whenever they may. */
import type { BorderPolicy, BorderSituation } from "../coordinator/solver/border-watch.js";
import type { BorderPlan, HeldRange } from "../coordinator/solver/move-borders.js";

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Moves borders anywhere in every round, and has idle workers join anywhere but at the front. */
export class RandomBorders implements BorderPolicy {
  /** Steps that were to change hands. */
  planned = 0;
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = uniform(seed);
  }

  observe(): void {}

  observeMove(): void {}

  plan({ held, idle, work }: BorderSituation): BorderPlan | undefined {
    const workers = held.map(({ worker }) => worker);
    for (const worker of idle) {
      if (this.#random() < 0.7) workers.splice(1 + Math.floor(this.#random() * workers.length), 0, worker);
    }
    const begin = held[0].begin;
    const end = held[held.length - 1].end;
    // The first slice keeps a step to evaluate, the others have one each.
    const places = Array.from({ length: Math.max(0, end - work.begin - 1) }, (_, i) => work.begin + 1 + i);
    if (places.length < workers.length - 1) return undefined;
    while (places.length > workers.length - 1) places.splice(Math.floor(this.#random() * places.length), 1);
    // Now and then the first slice drops what is final of it.
    const borders = [this.#random() < 0.3 ? work.begin : begin, ...places, end];
    const ranges: HeldRange[] = workers.map((worker, i) => ({
      worker,
      begin: borders[i],
      end: borders[i + 1],
    }));
    const moved = ranges.reduce((sum, range) => {
      const own = held.find(({ worker }) => worker === range.worker);
      const kept = own ? Math.max(0, Math.min(own.end, range.end) - Math.max(own.begin, range.begin)) : 0;
      return sum + range.end - range.begin - kept;
    }, 0);
    this.planned += moved;
    return { ranges, moved };
  }
}
