/** The open slices of one chain: sends rounds to all of them, and replaces those that are lost. */
import type {
  ChainSpec,
  EngineSeconds,
  RoundCommand,
  RoundReport,
  Slice,
  SliceHost,
} from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { StepRange } from "./cut-chain.js";

/** What came of a round. */
export interface RoundOutcome {
  /** One report a slice, in the chain's order. */
  readonly reports: readonly RoundReport[];
  readonly reseeded: number;
  /** First step of the earliest slice that was lost; Infinity if none was. */
  readonly earliestLoss: number;
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

/** Attempts to open one slice: its worker may die while it is being opened. */
const openAttempts = 4;

/** All slices of a chain, lost ones included until they are replaced. */
export class OpenSlices {
  readonly ranges: readonly StepRange[];
  readonly #chain: ChainSpec;
  readonly #host: SliceHost;
  readonly #slices: Slice[];

  private constructor(chain: ChainSpec, ranges: readonly StepRange[], host: SliceHost, slices: Slice[]) {
    this.#chain = chain;
    this.ranges = ranges;
    this.#host = host;
    this.#slices = slices;
  }

  /** Opens all slices side by side. */
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
    return new OpenSlices(chain, ranges, host, slices);
  }

  /**
   * One round on every slice that still has steps to correct. Lost slices are replaced and evaluated.
   * @param corrections of the entry states, by slice
   * @param grams sums of the states before each slice, where states are mixed first
   */
  async round(
    command: CommonCommand,
    corrections: readonly (Float32Array | undefined)[],
    signal: AbortSignal,
    grams: readonly (readonly number[])[] = [],
  ): Promise<RoundOutcome> {
    const busy = ({ end }: StepRange) =>
      end > command.evaluateFrom || (command.correctFrom !== undefined && end > command.correctFrom);
    const results = await Promise.allSettled(
      this.#slices.map((slice, index) =>
        busy(this.ranges[index])
          ? slice.round({ ...command, correction: corrections[index], gram: grams[index] }, signal)
          : Promise.resolve(idleReport),
      ),
    );
    const hopeless = results.find((r) => r.status === "rejected" && !(r.reason instanceof RetryableError));
    if (hopeless?.status === "rejected") throw hopeless.reason;
    const lost = new Set(results.flatMap((result, index) => (result.status === "rejected" ? [index] : [])));
    const reseeded = lost.size;
    // What a slice reported is valid until it is called again, and re-seeding reads the neighbours' states.
    const kept = results.map((result) => {
      if (result.status === "rejected") return undefined;
      const { value } = result;
      return reseeded > 0 ? { ...value, exit: value.exit?.slice() } : value;
    });
    const reports: RoundReport[] = [];
    let earliestLoss = Number.POSITIVE_INFINITY;
    for (const [index, report] of kept.entries()) {
      if (!report) earliestLoss = Math.min(earliestLoss, this.ranges[index].begin);
      reports.push(report ?? (await this.#reseed(index, lost, command, signal)));
    }
    return { reports, reseeded, earliestLoss };
  }

  /** Corrects the last slice once more and returns the restored picture. */
  async finish(
    command: CommonCommand,
    corrections: readonly (Float32Array | undefined)[],
    signal: AbortSignal,
  ): Promise<{ picture: Float32Array; seconds: EngineSeconds }> {
    const index = this.#slices.length - 1;
    const slice = this.#slices[index];
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
    const at = this.ranges.findIndex(({ begin, end }) => begin <= correctFrom && correctFrom < end);
    const anew = { ...command, restart: true, correction: undefined, gram: undefined };
    await this.#slices[at].round(anew, signal);
    for (let index = at + 1; index < this.#slices.length; index++) {
      // One after the other: both copies of a boundary state have to be the same.
      const entry = await this.#slices[index - 1].readState("exit", signal);
      await this.#slices[index].close();
      const spec = { chain: this.#chain, ...this.ranges[index], seeds: { entry, exit: undefined } };
      this.#slices[index] = await openSlice(this.#host, spec, index, signal);
    }
  }

  /** Closes every slice. */
  async close(): Promise<void> {
    await Promise.all(this.#slices.map((slice) => slice.close()));
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
    await this.#slices[index].close();
    const range = this.ranges[index];
    for (let attempt = 1; ; attempt++) {
      try {
        const entry = index > 0 ? await this.#slices[index - 1].readState("exit", signal) : undefined;
        const next =
          index + 1 < this.#slices.length && !lost.has(index + 1) ? this.#slices[index + 1] : undefined;
        const exit = await next?.readState("entry", signal);
        const spec = { chain: this.#chain, ...range, seeds: { entry, exit } };
        this.#slices[index] = await openSlice(this.#host, spec, index, signal);
        lost.delete(index);
        const report = await this.#slices[index].round(
          {
            ...command,
            correctFrom: undefined,
            evaluateFrom: range.begin,
            correction: undefined,
            gram: undefined,
          },
          signal,
        );
        // The next slice may be lost as well, and is then re-seeded from this one.
        return { ...report, exit: report.exit?.slice() };
      } catch (error) {
        if (!(error instanceof RetryableError) || attempt >= openAttempts) throw error;
        await this.#slices[index].close();
      }
    }
  }
}

async function openSlice(
  host: SliceHost,
  spec: Parameters<SliceHost["open"]>[0],
  index: number,
  signal: AbortSignal,
): Promise<Slice> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await host.open(spec, index, signal);
    } catch (error) {
      if (!(error instanceof RetryableError) || attempt >= openAttempts) throw error;
    }
  }
}
