/**
 * The numbers of rows that are looked at where only sums are needed (`sampling.ts`), gathered into lists of equal length: one for each
 * row and part.
 */
import type { Address, RowKernels } from "./row-kernels.js";
import type { RowPlan } from "./row-memory.js";
import type { PartSample } from "./sampling.js";
import { graySize, type Part, parts, riderSize, type StateSpace } from "./state-space.js";

/** Where n steps lie: rows, or their riders. */
export interface MeasuredRows {
  readonly states: Address;
  readonly noise: Address;
  readonly measurement: Address;
  /** 0 where there is none. */
  readonly fresh: Address;
  readonly coefficients: Address;
  /** Bytes from one to the next. */
  readonly stride: number;
}

/** What of one part is gathered, and where to. */
interface PartLists {
  readonly count: number;
  readonly positions: Address;
  /** On the null space, where there are riders or gray values: which belong to the positions, and their shares in the numbers there. */
  readonly places: Address;
  readonly shares: Address;
  /** What the numbers are multiplied by; 0: nothing. */
  readonly weights: Address;
  readonly lists: MeasuredRows;
}

/** The lists of one block of rows. */
export class SampleLists {
  readonly #space: StateSpace;
  readonly #samples: Readonly<Record<Part, PartSample>>;
  readonly #steps: number;
  readonly #lists: Readonly<Record<Part, PartLists>>;
  #run: RowKernels | undefined;
  #channelWeights: Address = 0;
  /** How many steps' numbers are in the lists already. */
  #gathered = 0;

  /** Plans what it needs. */
  constructor(space: StateSpace, samples: Readonly<Record<Part, PartSample>>, plan: RowPlan, steps: number) {
    this.#space = space;
    this.#samples = samples;
    this.#steps = steps;
    const list = (part: Part): PartLists => {
      const { positions, weights } = samples[part];
      const { length: count } = positions;
      const places = riderSize(space) + graySize(space) > 0 && part === "null";
      return {
        count,
        positions: plan.words(count),
        places: places ? plan.words(count) : 0,
        shares: places ? plan.words(count) : 0,
        weights: weights ? plan.words(count) : 0,
        lists: {
          states: plan.words((steps + 1) * count),
          noise: plan.words(steps * count),
          measurement: plan.words(count),
          fresh: plan.words(steps * count),
          coefficients: 0,
          stride: 4 * count,
        },
      };
    };
    this.#lists = { range: list("range"), null: list("null") };
  }

  /** Numbers of a part's list. */
  count(part: Part): number {
    return this.#lists[part].count;
  }

  /** Once the memory is there. */
  attach(memory: ArrayBuffer, run: RowKernels, channelWeights: Address): void {
    this.#run = run;
    this.#channelWeights = channelWeights;
    for (const part of parts) {
      const { positions, weights } = this.#samples[part];
      const list = this.#lists[part];
      new Uint32Array(memory, list.positions, positions.length).set(positions.map((p) => 4 * p));
      if (weights) new Float32Array(memory, list.weights, weights.length).set(weights);
    }
    const { places, shares } = this.#lists.null;
    if (!places) return;
    const { positions } = this.#samples.null;
    const rider = riderAt(this.#space);
    new Uint32Array(memory, places, positions.length).set(positions.map((p) => 4 * rider(p).place));
    new Float32Array(memory, shares, positions.length).set(positions.map((p) => rider(p).share));
  }

  /**
   * The numbers of one step's state and noise estimate.
   * @param step 0, then 1, .. until {@link take} takes the rest
   * @throws RangeError for any other
   */
  gather(rows: MeasuredRows, riders: MeasuredRows, step: number): void {
    // Whoever begins anew gave up what was gathered before: its network failed.
    if ((step !== 0 && step !== this.#gathered) || step >= this.#steps) {
      throw new RangeError(`step ${step} of ${this.#steps} cannot be gathered behind ${this.#gathered}`);
    }
    for (const part of parts) {
      const gather = this.#gatherer(part);
      const { lists } = this.#lists[part];
      gather(rows.states, riders.states, lists.states + step * lists.stride);
      gather(rows.noise, riders.noise, lists.noise + step * lists.stride);
    }
    this.#gathered = step + 1;
  }

  /** The lists of `count` steps, with what was not gathered before. */
  take(rows: MeasuredRows, riders: MeasuredRows, count: number): Readonly<Record<Part, MeasuredRows>> {
    const taken = {
      range: this.#rest("range", rows, riders, count),
      null: this.#rest("null", rows, riders, count),
    };
    this.#gathered = 0;
    return taken;
  }

  #rest(part: Part, rows: MeasuredRows, riders: MeasuredRows, count: number): MeasuredRows {
    const { lists } = this.#lists[part];
    const gather = this.#gatherer(part);
    const each = (what: "states" | "noise" | "fresh", from: number, to: number) => {
      for (let r = from; r < to; r++) {
        gather(
          rows[what] + r * rows.stride,
          riders[what] + r * riders.stride,
          lists[what] + r * lists.stride,
        );
      }
    };
    each("states", this.#gathered, count + 1);
    each("noise", this.#gathered, count);
    gather(rows.measurement, riders.measurement, lists.measurement);
    if (rows.fresh !== 0) each("fresh", 0, count);
    return { ...lists, fresh: rows.fresh === 0 ? 0 : lists.fresh, coefficients: rows.coefficients };
  }

  /** Writes the numbers of a part in the row at `row`, whose riders are at `rider`, to `out`. */
  #gatherer(part: Part): (row: Address, rider: Address, out: Address) => void {
    const run = this.#run;
    if (!run) throw new Error("gathered before there is any memory");
    const gray = this.#channelWeights;
    const { positions, places, shares, weights, count } = this.#lists[part];
    if (graySize(this.#space) > 0) {
      return (row, _, out) => {
        if (places) run.gatherColour(row, positions, places, shares, gray, count, out);
        else run.gatherGray(row, positions, gray, count, out);
      };
    }
    const inRiders = riderSize(this.#space) > 0 && part === "range";
    return (row, rider, out) => {
      if (places) run.gatherRest(row, positions, rider, places, shares, count, out);
      else if (weights) run.gatherWeighted(row, positions, weights, count, out);
      else run.gather(inRiders ? rider : row, positions, count, out);
    };
  }
}

/** Which rider has a share in a number of a state, and how large it is: for block means and gray values. */
function riderAt({ basis, picture }: StateSpace): (position: number) => { place: number; share: number } {
  const { height, width } = picture;
  if (basis.kind === "channel") {
    const area = height * width;
    return (p) => ({ place: p % area, share: basis.weights[Math.floor(p / area)] });
  }
  if (basis.kind !== "block-mean") throw new Error(`states of a ${basis.kind} basis have no sampled riders`);
  const { scale } = basis;
  const few = width / scale;
  // Lines of all three channels follow each other, and so do lines of riders.
  return (p) => ({
    place: Math.floor(Math.floor(p / width) / scale) * few + Math.floor((p % width) / scale),
    share: 1 / scale,
  });
}
