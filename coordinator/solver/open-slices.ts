/**
 * The open slices of one chain: sends rounds to all of them, moves steps between them, and replaces those that are lost.
 *
 * Slices all of whose steps are final are idle: their workers may be given steps of others (`move`), or are let go.
 */
import type {
  ChainSpec,
  EngineSeconds,
  MovedSteps,
  RoundCommand,
  RoundReport,
  SliceHost,
} from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { StepRange } from "./cut-chain.js";
import type { BorderPlan, HeldRange } from "./move-borders.js";
import { type Gift, giftsFor, openAttempts, openSlice, type Seat } from "./seats.js";

/** What came of a round. */
export interface RoundOutcome {
  /** One report a slice, in the chain's order. */
  readonly reports: readonly RoundReport[];
  readonly reseeded: number;
  /** First step of the earliest slice that was lost; Infinity if none was. */
  readonly earliestLoss: number;
  /** What was moved before the evaluations; undefined if nothing was. */
  readonly moved: { readonly steps: number; readonly seconds: number } | undefined;
}

/** What goes along with a round of some methods. */
export interface RoundExtras {
  /** Sums of the states before each slice, where states are mixed first. */
  readonly grams?: readonly (readonly number[])[] | undefined;
  /** Where the slices end after their correction; undefined: where they did. */
  readonly plan?: BorderMove | undefined;
}

type CommonCommand = Omit<RoundCommand, "correction" | "gram">;

const idleReport: RoundReport = {
  residuals: [],
  transfer: { range: 1, null: 1 },
  exit: undefined,
  gram: [],
  evaluations: 0,
  seconds: { network: 0, kernels: 0, total: 0 },
};

/** Where the slices are to be once they are corrected. */
export interface BorderMove extends BorderPlan {
  /** One past the last step that the round before evaluated. */
  readonly evaluatedTo: number;
}

/** All slices of a chain, lost ones included until they are replaced. */
export class OpenSlices {
  readonly #chain: ChainSpec;
  readonly #host: SliceHost;
  /** With steps that are not final, in the chain's order. */
  #seats: Seat[];
  /** Whose steps are all final. */
  #idle: Seat[] = [];
  /** Who holds the final state that the first seat starts from, and its picture once it had to be read. */
  #before: { readonly seat: Seat | undefined; picture: Float32Array | undefined } | undefined;

  private constructor(chain: ChainSpec, host: SliceHost, seats: Seat[]) {
    this.#chain = chain;
    this.#host = host;
    this.#seats = seats;
  }

  /** Opens all slices side by side, slice number `index` on worker `index`. */
  static async open(
    chain: ChainSpec,
    ranges: readonly StepRange[],
    host: SliceHost,
    signal: AbortSignal,
  ): Promise<OpenSlices> {
    const opened = await Promise.allSettled(
      ranges.map((range, index) => openSlice(host, { chain, ...range, seeds: undefined }, index, signal)),
    );
    const slices = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const failed = opened.find((result) => result.status === "rejected");
    if (failed) {
      await Promise.all(slices.map((slice) => slice.close()));
      throw failed.reason;
    }
    const seats = slices.map((slice, worker) => ({ worker, slice, range: ranges[worker] }));
    return new OpenSlices(chain, host, seats);
  }

  /** The ranges of the slices that rounds are sent to, in the chain's order. */
  get ranges(): readonly HeldRange[] {
    return this.#seats.map(({ worker, range }) => ({ worker, ...range }));
  }

  /** Workers whose slices have nothing left to do. */
  get idle(): readonly number[] {
    return this.#idle.map(({ worker }) => worker);
  }

  /**
   * Sets slices aside that have nothing left to correct. The last slice stays: it holds the picture.
   * @param final states up to this one are final
   */
  rest(final: number): void {
    while (this.#seats.length > 1 && this.#seats[0].range.end <= final) {
      const seat = this.#seats.shift() as Seat;
      this.#idle.push(seat);
      this.#before = { seat, picture: undefined };
    }
  }

  /**
   * Lets go of workers that have nothing to do: the next chain may have them.
   * @param unwanted which of them
   * @param leave told of each
   */
  async leave(
    unwanted: (worker: number) => boolean,
    leave: (worker: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#readBefore(signal);
    for (const seat of this.#idle.filter(({ worker }) => unwanted(worker))) {
      this.#idle = this.#idle.filter((other) => other !== seat);
      await seat.slice.close();
      leave(seat.worker);
    }
  }

  /**
   * One round on every slice. Lost slices are replaced and evaluated.
   * @param corrections of the entry states, by slice, in the order in which {@link ranges} has them
   * @param extra.grams sums of the states before each slice, where states are mixed first
   * @param extra.plan where the slices end after their correction; undefined: where they did
   * @returns reports of the slices as they are now
   */
  async round(
    command: CommonCommand,
    corrections: readonly (Float32Array | undefined)[],
    signal: AbortSignal,
    { grams = [], plan }: RoundExtras = {},
  ): Promise<RoundOutcome> {
    const gramOf = new Map(this.#seats.map((seat, index) => [seat, grams[index]]));
    const correctionOf = new Map(this.#seats.map((seat, index) => [seat, corrections[index]]));
    const busy = ({ range: { end } }: Seat) =>
      end > command.evaluateFrom || (command.correctFrom !== undefined && end > command.correctFrom);
    const running = new Map<Seat, Promise<RoundReport>>();
    const send = (seat: Seat, given: RoundCommand) => {
      const report = busy(seat) ? seat.slice.round(given, signal) : Promise.resolve(idleReport);
      // Others may still be moving when this one fails.
      report.catch(() => {});
      running.set(seat, report);
    };
    const changing = plan ? this.#changing(plan) : new Map<Seat, StepRange>();
    if (this.#before?.seat && changing.has(this.#before.seat)) await this.#readBefore(signal);
    for (const seat of this.#seats) {
      if (!changing.has(seat))
        send(seat, { ...command, correction: correctionOf.get(seat), gram: gramOf.get(seat) });
    }
    const moved = plan && (await this.#move(plan, changing, command, correctionOf, signal));
    for (const seat of this.#seats) {
      if (running.has(seat)) continue;
      const failure = moved?.failures.get(seat);
      if (failure) running.set(seat, Promise.reject(failure));
      else send(seat, { ...command, correctFrom: undefined, correction: undefined, gram: undefined });
    }
    const results = await Promise.allSettled(this.#seats.map((seat) => running.get(seat)));
    const hopeless = results.find((r) => r.status === "rejected" && !(r.reason instanceof RetryableError));
    if (hopeless?.status === "rejected") throw hopeless.reason;
    const lost = new Set(results.flatMap((result, index) => (result.status === "rejected" ? [index] : [])));
    const reseeded = lost.size;
    // What a slice reported is valid until it is called again, and re-seeding reads the neighbours' states.
    const kept = results.map((result) => {
      const value = result.status === "fulfilled" ? result.value : undefined;
      return value && reseeded > 0 ? { ...value, exit: value.exit?.slice() } : value;
    });
    const reports: RoundReport[] = [];
    let earliestLoss = Number.POSITIVE_INFINITY;
    for (const [index, report] of kept.entries()) {
      if (!report) earliestLoss = Math.min(earliestLoss, this.#seats[index].range.begin);
      reports.push(report ?? (await this.#reseed(index, lost, command, signal)));
    }
    return { reports, reseeded, earliestLoss, moved: moved?.done };
  }

  /** Corrects the last slice once more and returns the restored picture. */
  async finish(
    command: CommonCommand,
    corrections: readonly (Float32Array | undefined)[],
    signal: AbortSignal,
  ): Promise<{ picture: Float32Array; seconds: EngineSeconds }> {
    const index = this.#seats.length - 1;
    const { slice } = this.#seats[index];
    const last = { ...command, correction: corrections[index], gram: undefined };
    const { seconds } = await slice.round(last, signal);
    return { picture: await slice.readState("exit", signal), seconds };
  }

  /**
   * Starts anew behind step `correctFrom`, which starts from a final state: the state it makes becomes exact whatever it was,
   * all states beyond go back to starting values.
   * @throws RetryableError if a slice is lost meanwhile
   */
  async restart(command: CommonCommand & { correctFrom: number }, signal: AbortSignal): Promise<void> {
    const { correctFrom } = command;
    const at = this.#seats.findIndex(({ range }) => range.begin <= correctFrom && correctFrom < range.end);
    const anew = { ...command, restart: true, correction: undefined, gram: undefined };
    await this.#seats[at].slice.round(anew, signal);
    for (let index = at + 1; index < this.#seats.length; index++) {
      // One after the other: both copies of a boundary state have to be the same.
      const seat = this.#seats[index];
      const entry = await this.#entryOf(index, signal);
      await seat.slice.close();
      const spec = { chain: this.#chain, ...seat.range, seeds: { entry, exit: undefined } };
      seat.slice = await openSlice(this.#host, spec, seat.worker, signal);
    }
  }

  /** Closes every slice. */
  async close(): Promise<void> {
    await Promise.all([...this.#seats, ...this.#idle].map(({ slice }) => slice.close()));
  }

  /** The seats whose range a plan changes, with the new one. */
  #changing({ ranges }: BorderPlan): Map<Seat, StepRange> {
    const changing = new Map<Seat, StepRange>();
    for (const { worker, begin, end } of ranges) {
      const seat = this.#seatOf(worker);
      const same = seat.range.begin === begin && seat.range.end === end;
      if (!same || this.#idle.includes(seat)) changing.set(seat, { begin, end });
    }
    return changing;
  }

  #seatOf(worker: number): Seat {
    const seat = [...this.#seats, ...this.#idle].find((other) => other.worker === worker);
    if (!seat) throw new Error(`worker ${worker} has no slice of this chain`);
    return seat;
  }

  /**
   * Corrects the slices concerned, then moves steps between them. Nothing has changed hands until all that is given has arrived
   * here: if a giver is lost, the borders stay. A slice that is lost after that has its new range.
   * @returns what was moved, and the slices that were lost, which have to be re-seeded
   */
  async #move(
    plan: BorderMove,
    changing: ReadonlyMap<Seat, StepRange>,
    command: CommonCommand,
    correctionOf: ReadonlyMap<Seat, Float32Array | undefined>,
    signal: AbortSignal,
  ): Promise<{ readonly failures: Map<Seat, unknown>; readonly done: RoundOutcome["moved"] }> {
    const failures = new Map<Seat, unknown>();
    /** All of them, however they end. */
    const each = async (seats: readonly Seat[], act: (seat: Seat) => Promise<unknown>) => {
      const ended = await Promise.allSettled(seats.map(act));
      for (const [i, result] of ended.entries()) {
        if (result.status === "rejected") failures.set(seats[i], result.reason);
      }
    };
    const { steps } = this.#chain.schedule;
    const still = { ...command, evaluateFrom: steps, evaluateTo: steps };
    const corrected = [...changing.keys()].filter((seat) => correctionOf.has(seat));
    const { correctFrom } = command;
    await each(corrected, async (seat) => {
      if (correctFrom === undefined || seat.range.end <= correctFrom) return;
      await seat.slice.round({ ...still, correction: correctionOf.get(seat), gram: undefined }, signal);
    });
    const started = performance.now();
    const gifts = new Map([...changing].map(([seat, range]) => [seat, giftsFor(this.#seats, seat, range)]));
    const arrived = new Map<Gift, MovedSteps>();
    if (failures.size === 0) {
      const givers = [...new Set([...gifts.values()].flat().map(({ giver }) => giver))];
      const givenBy = (giver: Seat) => [...gifts.values()].flat().filter((gift) => gift.giver === giver);
      await each(givers, async (giver) => {
        for (const gift of givenBy(giver)) arrived.set(gift, await giver.slice.give(gift.run, signal));
      });
    }
    if (failures.size > 0) return { failures, done: undefined };
    await each([...changing.keys()], async (seat) => {
      const range = changing.get(seat) as StepRange;
      const taken = (gifts.get(seat) ?? []).map((gift) => arrived.get(gift) as MovedSteps);
      const { begin } = seat.range;
      const first = seat === this.#seats[0] && range.begin > begin;
      seat.range = first ? { begin, end: range.end } : range;
      await seat.slice.recut({ ...range, evaluatedTo: plan.evaluatedTo, taken }, signal);
      if (!first) return;
      // What it dropped is final; should it be lost, it begins where it does now.
      this.#before = { seat: undefined, picture: await seat.slice.readState("entry", signal) };
      seat.range = range;
    });
    const seats = plan.ranges.map(({ worker }) => this.#seatOf(worker));
    this.#idle = this.#idle.filter((seat) => !seats.includes(seat));
    this.#seats = seats;
    return { failures, done: { steps: plan.moved, seconds: (performance.now() - started) / 1000 } };
  }

  /** Reads the final state before the first seat while its slice is still there. No round may be under way. */
  async #readBefore(signal: AbortSignal): Promise<void> {
    if (!this.#before?.seat || this.#before.picture) return;
    try {
      this.#before.picture = await this.#before.seat.slice.readState("exit", signal);
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      // Nobody noticed that it was lost, as it had nothing to do. The next slice has the same state.
      this.#before.picture = await this.#seats[0].slice.readState("entry", signal);
    }
  }

  /** Picture of the state that a slice starts from; undefined for z_0. */
  async #entryOf(index: number, signal: AbortSignal): Promise<Float32Array | undefined> {
    if (index > 0) return this.#seats[index - 1].slice.readState("exit", signal);
    if (this.#before) await this.#readBefore(signal);
    return this.#before?.picture;
  }

  /**
   * Replaces a lost slice: its boundary states are read from its neighbours (those to the left are alive or already
   * replaced), the states between follow from them, and its steps are evaluated at once.
   */
  async #reseed(
    index: number,
    lost: Set<number>,
    command: CommonCommand,
    signal: AbortSignal,
  ): Promise<RoundReport> {
    const seat = this.#seats[index];
    await seat.slice.close();
    for (let attempt = 1; ; attempt++) {
      try {
        const entry = await this.#entryOf(index, signal);
        const next = lost.has(index + 1) ? undefined : this.#seats[index + 1]?.slice;
        const exit = await next?.readState("entry", signal);
        const spec = { chain: this.#chain, ...seat.range, seeds: { entry, exit } };
        seat.slice = await openSlice(this.#host, spec, seat.worker, signal);
        lost.delete(index);
        const evaluation = { ...command, correctFrom: undefined, evaluateFrom: seat.range.begin };
        const report = await seat.slice.round(
          { ...evaluation, correction: undefined, gram: undefined },
          signal,
        );
        // The next slice may be lost as well, and is then re-seeded from this one.
        return { ...report, exit: report.exit?.slice() };
      } catch (error) {
        if (!(error instanceof RetryableError) || attempt >= openAttempts) throw error;
        await seat.slice.close();
      }
    }
  }
}
