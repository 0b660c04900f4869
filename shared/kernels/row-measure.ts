/**
 * The sums a round asks for: squares of residuals on each part and, for the secant estimate, products of the changes since
 * the round before. Which numbers are looked at is {@link StateKernels.samples}.
 */
import type { Address, RowKernels } from "./row-kernels.js";
import type { RowPlan } from "./row-memory.js";
import { type MeasuredRows, SampleLists } from "./sample-lists.js";
import type { StateKernels } from "./state-kernels.js";
import { type Part, riderBasis, riderSize, stateSize } from "./state-space.js";

/** Sums over one part of one step, f being the state the step makes. */
export interface PartSums {
  /** Of the residual f(z_r) - z_{r+1}. */
  readonly squares: number;
  /** <dz, dz>; 0 where secants are not measured. */
  readonly dzdz: number;
  /** <dz, df>. */
  readonly dzdf: number;
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

/** Sums of one block of rows. */
export class RowMeasure {
  readonly #kernels: StateKernels;
  readonly #steps: number;
  readonly #secants: boolean;
  readonly #sums: Address;
  readonly #lists: SampleLists | undefined;
  /** Lists of the call before. */
  readonly #listsBefore: Record<Part, Memory> | undefined;
  /** Whole rows, and riders with the coefficients of either part. */
  readonly #whole: Memory;
  readonly #ridersOn: Record<Part, Memory>;
  #memory = new ArrayBuffer(0);
  #run: RowKernels | undefined;
  #mask: Address = 0;

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
    this.#lists = samples && steps > 0 ? new SampleLists(space, samples, plan, steps) : undefined;
    this.#listsBefore = this.#lists && {
      range: memory(this.#lists.count("range")),
      null: memory(this.#lists.count("null")),
    };
    this.#whole = memory(samples ? 0 : stateSize(space));
    const riders = riderBasis(space) ? riderSize(space) : 0;
    this.#ridersOn = { range: memory(riders), null: memory(riders) };
  }

  /** Once the memory is there. */
  attach(memory: ArrayBuffer, run: RowKernels, mask: Address, channelWeights: Address): void {
    this.#memory = memory;
    this.#run = run;
    this.#mask = mask;
    this.#lists?.attach(memory, run, channelWeights);
  }

  /** {@link StateRows.gather} */
  gather(rows: MeasuredRows, riders: MeasuredRows, step: number): void {
    this.#lists?.gather(rows, riders, step);
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
    if (this.#lists && this.#listsBefore) {
      const [lists, before] = [this.#lists.take(rows, riders, count), this.#listsBefore];
      const on = (part: Part, r: number) =>
        this.#list(run, lists[part], before[part], part, first, r, lists[part].stride);
      return steps.map((r) => ({ range: on("range", r), null: on("null", r) }));
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
    const before = (part: Part) => this.#listsBefore?.[part];
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
}
