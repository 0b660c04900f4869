/**
 * The sums a round asks for: squares of residuals on each part and, for the secant estimate, products of the changes since
 * the round before. Which numbers are looked at is {@link StateKernels.samples}.
 */

import type { Address, RowKernels } from "./row-kernels.js";
import type { RowPlan } from "./row-memory.js";
import type { PartSample } from "./sampling.js";
import type { StateKernels } from "./state-kernels.js";
import {
  graySize,
  type Part,
  parts,
  riderBasis,
  riderSize,
  type StateSpace,
  stateSize,
} from "./state-space.js";

/** Sums over one part of one step, f being the state the step makes. */
export interface PartSums {
  /** Of the residual f(z_r) - z_{r+1}. */
  readonly squares: number;
  /** <dz, dz>; 0 where secants are not measured. */
  readonly dzdz: number;
  /** <dz, df>. */
  readonly dzdf: number;
}

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

const coefficientBytes = 40;
/** Where the range's coefficients of a step begin. */
const rangeAt = 20;
const coefficientsOn: Readonly<Record<Part, number>> = { null: 0, range: rangeAt };

/** z_r and f(z_r) of the call before, for every step. */
interface Memory {
  readonly state: Address;
  readonly made: Address;
  readonly stride: number;
}

/** Gathered numbers of one part. */
interface List {
  readonly count: number;
  readonly positions: Address;
  /** On the null space, where there are riders or gray values: which belong to the positions, and their shares in the numbers there. */
  readonly places: Address;
  readonly shares: Address;
  /** What the numbers are multiplied by; 0: nothing. */
  readonly weights: Address;
  readonly lists: MeasuredRows;
  readonly before: Memory;
}

/** Sums of one block of rows. */
export class RowMeasure {
  readonly #kernels: StateKernels;
  readonly #steps: number;
  readonly #secants: boolean;
  readonly #sums: Address;
  readonly #lists: Record<Part, List> | undefined;
  /** Whole rows, and riders with the coefficients of either part. */
  readonly #whole: Memory;
  readonly #ridersOn: Record<Part, Memory>;
  #memory = new ArrayBuffer(0);
  #run: RowKernels | undefined;
  #mask: Address = 0;
  #channelWeights: Address = 0;
  /** How many steps' numbers are in the lists already, for the next call. */
  #gathered = 0;

  /** Plans what it needs. */
  constructor(kernels: StateKernels, plan: RowPlan, steps: number, secants: boolean) {
    const { space, samples } = kernels;
    this.#kernels = kernels;
    this.#steps = steps;
    this.#secants = secants;
    this.#sums = plan.words(12);
    const memory = (size: number): Memory => ({
      state: secants ? plan.words(steps * size) : 0,
      made: secants ? plan.words(steps * size) : 0,
      stride: 4 * size,
    });
    const list = (part: Part, { positions: { length: count }, weights }: PartSample): List => {
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
        before: memory(count),
      };
    };
    this.#lists =
      samples && steps > 0
        ? {
            range: list("range", samples.range),
            null: list("null", samples.null),
          }
        : undefined;
    this.#whole = memory(samples ? 0 : stateSize(space));
    const riders = riderBasis(space) ? riderSize(space) : 0;
    this.#ridersOn = { range: memory(riders), null: memory(riders) };
  }

  /** Once the memory is there. */
  attach(memory: ArrayBuffer, run: RowKernels, mask: Address, channelWeights: Address): void {
    this.#memory = memory;
    this.#run = run;
    this.#mask = mask;
    this.#channelWeights = channelWeights;
    const { samples, space } = this.#kernels;
    if (!samples || !this.#lists) return;
    const { places, shares } = this.#lists.null;
    for (const part of parts) {
      const { positions, weights } = samples[part];
      const list = this.#lists[part];
      new Uint32Array(memory, list.positions, positions.length).set(positions.map((p) => 4 * p));
      if (weights) new Float32Array(memory, list.weights, weights.length).set(weights);
    }
    if (!places) return;
    const { positions } = samples.null;
    const rider = riderAt(space);
    new Uint32Array(memory, places, positions.length).set(positions.map((p) => 4 * rider(p).place));
    new Float32Array(memory, shares, positions.length).set(positions.map((p) => rider(p).share));
  }

  /** {@link StateRows.gather} */
  gather(rows: MeasuredRows, riders: MeasuredRows, step: number): void {
    if (!this.#lists || !this.#run) return;
    // Whoever begins anew gave up what was gathered before: its network failed.
    if ((step !== 0 && step !== this.#gathered) || step >= this.#steps) {
      throw new RangeError(`step ${step} of ${this.#steps} cannot be gathered behind ${this.#gathered}`);
    }
    for (const part of parts) {
      const gather = this.#gatherer(this.#run, part);
      const { lists } = this.#lists[part];
      gather(rows.states, riders.states, lists.states + step * lists.stride);
      gather(rows.noise, riders.noise, lists.noise + step * lists.stride);
    }
    this.#gathered = step + 1;
  }

  /** {@link StateRows.measure} */
  run(
    rows: MeasuredRows,
    riders: MeasuredRows,
    first: number,
    count: number,
  ): readonly Readonly<Record<Part, PartSums>>[] {
    const run = this.#run;
    if (!run) throw new Error("measured before there is any memory");
    if (first + count > this.#steps)
      throw new RangeError(`steps ${first}..${first + count} of ${this.#steps}`);
    const steps = Array.from({ length: count }, (_, r) => r);
    if (this.#lists) {
      const on = (part: Part) => {
        const list = this.#gatherAll(run, part, rows, riders, count);
        return steps.map((r) => this.#list(run, list.lists, list.before, part, first, r, 4 * list.count));
      };
      const [range, rest] = [on("range"), on("null")];
      this.#gathered = 0;
      return steps.map((r) => ({ range: range[r], null: rest[r] }));
    }
    if (this.#mask) return steps.map((r) => this.#masked(run, rows, first, r));
    return steps.map((r) => {
      const listed = (at: MeasuredRows, memory: Memory, part: Part) =>
        this.#list(run, at, memory, part, first, r, at.stride);
      // The null space is what the range leaves, for the combinations that are made there.
      const whole = listed(rows, this.#whole, "null");
      const covered = listed(riders, this.#ridersOn.null, "null");
      const range = listed(riders, this.#ridersOn.range, "range");
      return {
        range,
        null: {
          squares: Math.max(0, whole.squares - covered.squares),
          dzdz: Math.max(0, whole.dzdz - covered.dzdz),
          dzdf: whole.dzdf - covered.dzdf,
        },
      };
    });
  }

  /** The numbers kept of one step for the next call's secants, place by place. */
  #kept(step: number): Float32Array[] {
    if (!this.#secants) return [];
    const before = (part: Part) => this.#lists?.[part].before;
    const memories = [
      before("range"),
      before("null"),
      this.#whole,
      this.#ridersOn.range,
      this.#ridersOn.null,
    ];
    return memories.flatMap((memory) => {
      if (!memory || memory.stride === 0) return [];
      return [memory.state, memory.made].map(
        (at) => new Float32Array(this.#memory, at + step * memory.stride, memory.stride / 4),
      );
    });
  }

  /** How many numbers {@link readKept} writes. */
  get keptNumbers(): number {
    return this.#kept(0).reduce((sum, { length }) => sum + length, 0);
  }

  /** Copies what is kept of a step, to go on with it in another block. */
  readKept(step: number, into: Float32Array): void {
    let at = 0;
    for (const values of this.#kept(step)) {
      into.set(values, at);
      at += values.length;
    }
  }

  /** Takes over what another block of the same space kept of a step. */
  writeKept(step: number, from: Float32Array): void {
    let at = 0;
    for (const values of this.#kept(step)) {
      values.set(from.subarray(at, at + values.length));
      at += values.length;
    }
  }

  #readSums(at: Address): PartSums {
    const [squares, dzdz, dzdf] = new Float64Array(this.#memory, at, 3);
    return { squares, dzdz, dzdf };
  }

  #list(
    run: RowKernels,
    at: MeasuredRows,
    before: Memory,
    part: Part,
    first: number,
    r: number,
    bytes: number,
  ): PartSums {
    const z = at.states + r * at.stride;
    const secants = this.#secants;
    run.measureList(
      z,
      z + at.stride,
      at.noise + r * at.stride,
      at.measurement,
      at.fresh === 0 ? 0 : at.fresh + r * at.stride,
      at.coefficients + r * coefficientBytes + coefficientsOn[part],
      bytes,
      secants ? before.state + (first + r) * before.stride : 0,
      secants ? before.made + (first + r) * before.stride : 0,
      this.#sums,
    );
    return this.#readSums(this.#sums);
  }

  #masked(run: RowKernels, rows: MeasuredRows, first: number, r: number): Record<Part, PartSums> {
    const before = this.#whole;
    const secants = this.#secants;
    run.measureMasked(
      rows.states + r * rows.stride,
      rows.noise + r * rows.stride,
      rows.measurement,
      rows.fresh === 0 ? 0 : rows.fresh + r * rows.stride,
      rows.coefficients + r * coefficientBytes,
      this.#mask,
      4 * (this.#kernels.mask?.length ?? 0),
      secants ? before.state + (first + r) * before.stride : 0,
      secants ? before.made + (first + r) * before.stride : 0,
      this.#sums,
    );
    return { null: this.#readSums(this.#sums), range: this.#readSums(this.#sums + 24) };
  }

  /** Writes the numbers of a part in the row at `row`, whose riders are at `rider`, to `out`. */
  #gatherer(run: RowKernels, part: Part): (row: Address, rider: Address, out: Address) => void {
    const { space } = this.#kernels;
    const ridersCount = riderSize(space);
    const gray = this.#channelWeights;
    const { positions, places, shares, weights, count } = this.#lists![part];
    if (space.basis.kind === "channel") {
      return (row, _, out) => {
        if (places) run.gatherColour(row, positions, places, shares, gray, count, out);
        else run.gatherGray(row, positions, gray, count, out);
      };
    }
    return (row, rider, out) => {
      if (places) run.gatherRest(row, positions, rider, places, shares, count, out);
      else if (weights) run.gatherWeighted(row, positions, weights, count, out);
      else run.gather(ridersCount && part === "range" ? rider : row, positions, count, out);
    };
  }

  /** The numbers of a part, row by row, in lists; without those that are there already. */
  #gatherAll(run: RowKernels, part: Part, rows: MeasuredRows, riders: MeasuredRows, count: number): List {
    const list = this.#lists![part];
    const gather = this.#gatherer(run, part);
    const each = (what: "states" | "noise" | "fresh", from: number, to: number) => {
      for (let r = from; r < to; r++) {
        gather(
          rows[what] + r * rows.stride,
          riders[what] + r * riders.stride,
          list.lists[what] + r * list.lists.stride,
        );
      }
    };
    each("states", this.#gathered, count + 1);
    each("noise", this.#gathered, count);
    gather(rows.measurement, riders.measurement, list.lists.measurement);
    if (rows.fresh !== 0) each("fresh", 0, count);
    const lists = {
      ...list.lists,
      fresh: rows.fresh === 0 ? 0 : list.lists.fresh,
      coefficients: rows.coefficients,
    };
    return { ...list, lists };
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
