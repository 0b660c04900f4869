/**
 * Which job is served next (stride scheduling, Waldspurger and Weihl 1995). Jobs of the highest priority come first; among them
 * each has a pass, which advances by what it was given divided by its weight, and the one with the lowest pass is next. What an
 * item costs, in seconds of a worker, is known only afterwards: it is charged as an estimate, which is then corrected.
 */

/** What a share depends on. */
export interface Share {
  readonly name: string;
  /** Higher ones are served first. */
  readonly priority: number;
  /** Above 0. */
  readonly weight: number;
}

interface Account extends Share {
  pass: number;
  /** Mean cost of its items so far; undefined before the first. */
  cost: number | undefined;
}

/** How much a new cost counts in the mean. */
const newCostShare = 0.1;

/** An item's turn. */
export interface Turn {
  readonly name: string;
  /** Replaces the estimate by what the item cost, in seconds of a worker; 0 if there was none. To be called once. */
  readonly charge: (cost: number) => void;
}

/** The accounts of all jobs. */
export class FairShare {
  readonly #accounts = new Map<string, Account>();
  /** Pass of the last job that was drawn, by priority. */
  readonly #present = new Map<number, number>();
  /** Mean cost over all jobs, for those of which nothing is known. */
  #typicalCost = 1;

  /** Opens an account, or changes priority and weight of one. */
  set({ name, priority, weight }: Share): void {
    const known = this.#accounts.get(name);
    const pass = known?.priority === priority ? known.pass : (this.#present.get(priority) ?? 0);
    this.#accounts.set(name, { name, priority, weight, pass, cost: known?.cost });
  }

  delete(name: string): void {
    this.#accounts.delete(name);
  }

  /** A job has items again: it is owed nothing for the time without. */
  enter(name: string): void {
    const account = this.#accounts.get(name);
    if (account) account.pass = Math.max(account.pass, this.#present.get(account.priority) ?? 0);
  }

  /**
   * Whose items come next.
   * @param names jobs with items, one time each; those without an account are passed over
   * @param count how many items are to be drawn
   * @returns at most `count` turns, in their order
   */
  draw(names: readonly string[], count: number): readonly Turn[] {
    const candidates = names.flatMap((name) => this.#accounts.get(name) ?? []);
    const priority = Math.max(...candidates.map((account) => account.priority));
    const sharing = candidates.filter((account) => account.priority === priority);
    const turns: Turn[] = [];
    while (sharing.length > 0 && turns.length < count) {
      turns.push(this.#turn(sharing.reduce((a, b) => (b.pass < a.pass ? b : a))));
    }
    return turns;
  }

  #turn(account: Account): Turn {
    const { name, priority } = account;
    const estimate = account.cost ?? this.#typicalCost;
    this.#present.set(priority, account.pass);
    account.pass += estimate / account.weight;
    const charge = (cost: number) => {
      const present = this.#accounts.get(name);
      if (!present) return;
      present.pass += (cost - estimate) / present.weight;
      if (cost === 0) return;
      present.cost = present.cost === undefined ? cost : present.cost + newCostShare * (cost - present.cost);
      this.#typicalCost += newCostShare * (cost - this.#typicalCost);
    };
    return { name, charge };
  }
}
