/**
 * The open slices of one chain: sends rounds to all of them, moves steps between them, and replaces those that are lost.
 *
 * Slices all of whose steps are final are idle: their workers may be given steps of others (`move`), or are let go.
 */
import type {
  ChainSpec,
  EngineSeconds,
  RoundCommand,
  RoundReport,
  SliceHost,
} from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { StepRange } from "./cut-chain.js";
import { FinalPrefix } from "./final-prefix.js";
import { failuresOf, handOver } from "./hand-over.js";
import type { BorderPlan, HeldRange } from "./move-borders.js";
import type { EntryCorrections } from "./prefix-scan.js";
import { reseedLost } from "./reseed.js";
import { restartBehind } from "./restart.js";
import { openSlice, type Seat } from "./seats.js";

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

/** Correction of a seat's entry state. */
type CorrectionOf = (seat: Seat) => Float32Array | undefined;

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
  readonly #prefix = new FinalPrefix();
  /** Lost since the last round, with the reason; the next one replaces them. */
  #lost: Map<Seat, RetryableError> = new Map();

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
      this.#prefix.rest(seat);
    }
  }

  /**
   * Lets go of workers that have nothing to do: the next chain may have them. If those who have the state before the first
   * seat are lost, of none: whoever stays may have to make it again.
   * @param unwanted which of them
   * @param leave told of each
   */
  async leave(
    unwanted: (worker: number) => boolean,
    leave: (worker: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (!(await this.#keepsBefore(signal))) return;
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
    corrections: EntryCorrections,
    signal: AbortSignal,
    { grams = [], plan: wanted }: RoundExtras = {},
  ): Promise<RoundOutcome> {
    const gramOf = new Map(this.#seats.map((seat, index) => [seat, grams[index]]));
    const indexOf = new Map(this.#seats.map((seat, index) => [seat, index]));
    /** Made when it is sent, from the first slice to the last. */
    const correctionOf: CorrectionOf = (seat) => {
      const index = indexOf.get(seat);
      return index === undefined ? undefined : corrections.at(index);
    };
    const busy = ({ range: { end } }: Seat) =>
      end > command.evaluateFrom || (command.correctFrom !== undefined && end > command.correctFrom);
    const running = new Map<Seat, Promise<RoundReport>>();
    const send = (seat: Seat, given: RoundCommand) => {
      const called = () => (busy(seat) ? seat.slice.round(given, signal) : Promise.resolve(idleReport));
      const lost = this.#lost.get(seat);
      const report = lost ? Promise.reject(lost) : called();
      // Others may still be moving when this one fails.
      report.catch(() => {});
      running.set(seat, report);
    };
    // Slices at rest that are given other steps can make the state before the first seat no more.
    const awakes = wanted && [...this.#changing(wanted).keys()].some((seat) => this.#idle.includes(seat));
    const plan = awakes && !(await this.#keepsBefore(signal)) ? undefined : wanted;
    const changing = plan ? this.#changing(plan) : new Map<Seat, StepRange>();
    for (const seat of this.#seats) {
      if (!changing.has(seat))
        send(seat, { ...command, correction: correctionOf(seat), gram: gramOf.get(seat) });
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
    const intact = results.every(({ status }) => status === "fulfilled");
    const reported = new Map<Seat, RoundReport>();
    for (const [index, result] of results.entries()) {
      if (result.status !== "fulfilled" || !result.value) continue;
      const { value } = result;
      // What a slice reported is valid until it is called again, and re-seeding reads the neighbours' states.
      reported.set(this.#seats[index], intact ? value : { ...value, exit: value.exit?.slice() });
    }
    const parts = { chain: this.#chain, host: this.#host, seats: this.#seats, prefix: this.#prefix };
    this.#lost = new Map();
    const { count, earliest } = await reseedLost({ ...parts, reports: reported }, command, signal);
    this.#idle = this.#idle.filter((seat) => !this.#seats.includes(seat));
    const reports = this.#seats.flatMap((seat) => reported.get(seat) ?? []);
    return { reports, reseeded: count, earliestLoss: earliest, moved: moved?.done };
  }

  /**
   * Corrects the last slice once more and reads the restored picture.
   * @returns how it went; or, if the slice was lost, from which step on the chain is: the next round, in which nothing may move,
   *   replaces what was
   */
  async finish(
    command: CommonCommand,
    corrections: EntryCorrections,
    signal: AbortSignal,
  ): Promise<{ picture: Float32Array; seconds: EngineSeconds } | { lostFrom: number }> {
    const index = this.#seats.length - 1;
    const seat = this.#seats[index];
    const last = { ...command, correction: corrections.at(index), gram: undefined };
    const [earlier] = this.#lost.keys();
    if (earlier) return { lostFrom: earlier.range.begin };
    try {
      const { seconds } = await seat.slice.round(last, signal);
      return { picture: await seat.slice.readState("exit", signal), seconds };
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      this.#lost.set(seat, error);
      return { lostFrom: seat.range.begin };
    }
  }

  /** See {@link restartBehind}; what is lost meanwhile the next round replaces, in which nothing may move. */
  async restart(command: CommonCommand & { correctFrom: number }, signal: AbortSignal): Promise<void> {
    const parts = { chain: this.#chain, host: this.#host, seats: this.#seats };
    this.#lost = await restartBehind(parts, command, signal);
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
   * Moves steps as a plan says; the slices concerned are corrected before.
   * @returns what was moved, and the slices that were lost, which have to be re-seeded
   */
  async #move(
    plan: BorderMove,
    changing: ReadonlyMap<Seat, StepRange>,
    command: CommonCommand,
    correctionOf: CorrectionOf,
    signal: AbortSignal,
  ): Promise<{ readonly failures: ReadonlyMap<Seat, unknown>; readonly done: RoundOutcome["moved"] }> {
    const { steps } = this.#chain.schedule;
    const still = { ...command, evaluateFrom: steps, evaluateTo: steps };
    const corrected = [...changing.keys()].filter((seat) => this.#seats.includes(seat));
    const { correctFrom } = command;
    const failures = await failuresOf(corrected, async (seat) => {
      if (correctFrom === undefined || seat.range.end <= correctFrom) return;
      await seat.slice.round({ ...still, correction: correctionOf(seat), gram: undefined }, signal);
    });
    if (failures.size > 0) return { failures, done: undefined };
    const from = { seats: this.#seats, prefix: this.#prefix, evaluatedTo: plan.evaluatedTo };
    const handed = await handOver(changing, from, signal);
    if (handed.seconds === undefined) return { failures: handed.failures, done: undefined };
    const seats = plan.ranges.map(({ worker }) => this.#seatOf(worker));
    this.#idle = this.#idle.filter((seat) => !seats.includes(seat));
    this.#seats = seats;
    return { failures: handed.failures, done: { steps: plan.moved, seconds: handed.seconds } };
  }

  /** Reads the final state before the first seat while a slice has it. @returns false if all who had it are lost */
  async #keepsBefore(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#prefix.read(this.#seats[0], signal);
      return true;
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      return false;
    }
  }
}
