/**
 * A block of rows of states, with their riders, and the passes of a round over them. Combinations and scans are held to the
 * plain reference in `state-reference.ts`.
 */
import type { Array32 } from "../onnx/session.js";
import { type BandedTransform, planBanded } from "./banded-transform.js";
import { type FastTransform, planFastTransform } from "./fast-transform.js";
import type { Address, RowKernels } from "./row-kernels.js";
import { type PartSums, RowMeasure } from "./row-measure.js";
import { RowPlan } from "./row-memory.js";
import type { MeasuredRows } from "./sample-lists.js";
import type { StateKernels } from "./state-kernels.js";
import {
  type OnEachPart,
  type Part,
  riderBasis,
  riderSize,
  spectralBasis,
  stateSize,
} from "./state-space.js";

/** A row with its coefficients in a combination. */
export interface Term extends OnEachPart {
  readonly row: number;
}

/** f(z) = state z + noiseEstimate eps + measurement A^+ y + freshNoise n, and what stands for df/dz, on one part. */
export interface StepWeights {
  readonly jacobian: number;
  readonly state: number;
  readonly noiseEstimate: number;
  readonly measurement: number;
  readonly freshNoise: number;
}

/** The rows of n consecutive steps. */
export interface StepRows {
  /** Row of z_0 of n + 1 states that follow each other. */
  readonly states: number;
  /** Row of the first of n noise estimates. */
  readonly noise: number;
  /** Row of A^+ y. */
  readonly measurement: number;
  /** Row of the first of n rows of fresh noise, if there are any. */
  readonly fresh: number | undefined;
  /** n of them. */
  readonly weights: readonly Readonly<Record<Part, StepWeights>>[];
}

/** What a block has room for. */
export interface RowBlockSize {
  readonly rows: number;
  /** Most steps of a scan or of a measurement; 0 where only combinations are made. */
  readonly steps: number;
  /** Whether corrections are kept, for mixing. */
  readonly deltas: boolean;
  /** Whether the secant's sums are measured. */
  readonly secants: boolean;
}

/** As assembly/layout.ts has them. */
function writePart(values: Float32Array, at: number, w: StepWeights): void {
  values[at] = w.jacobian;
  values[at + 1] = w.state;
  values[at + 2] = w.noiseEstimate;
  values[at + 3] = w.measurement;
  values[at + 4] = w.freshNoise;
}

/** Rows and their kernels. One call at a time. */
export class StateRows {
  readonly kernels: StateKernels;
  readonly size: RowBlockSize;
  readonly #memory: ArrayBuffer;
  readonly #run: RowKernels;
  readonly #size: number;
  readonly #riderSize: number;
  readonly #rows: Address;
  readonly #riders: Address;
  readonly #difference: Address;
  readonly #added: Address;
  readonly #deltas: Address;
  readonly #pictures: Address;
  readonly #terms: Address;
  readonly #coefficients: Address;
  readonly #mask: Address;
  readonly #channelWeights: Address;
  readonly #measure: RowMeasure;
  readonly #fast: FastTransform | undefined;
  /** Between states and their riders, where these are made by two matrices. */
  readonly #banded: BandedTransform | undefined;

  /** @throws RangeError if the block would exceed 4 GiB */
  constructor(kernels: StateKernels, size: RowBlockSize) {
    const { rows, steps, deltas, secants } = size;
    const { space, mask } = kernels;
    const { width } = space.picture;
    const plan = new RowPlan();
    this.kernels = kernels;
    this.size = size;
    this.#size = stateSize(space);
    this.#riderSize = riderSize(space);
    // As assembly/layout.ts has it.
    const scratchLine = Math.max(256, width);
    const scratch = plan.words((2 * steps + 5) * scratchLine);
    this.#terms = plan.words(4 * rows);
    this.#coefficients = plan.words(10 * steps);
    this.#channelWeights = plan.words(3);
    this.#mask = mask ? plan.words(mask.length) : 0;
    this.#measure = new RowMeasure(kernels, plan, steps, secants);
    const fast = spectralBasis(space)?.fast;
    const attachFast = fast && planFastTransform(fast, space.picture, plan);
    const matrices = riderBasis(space);
    const factors = matrices?.factors;
    if (matrices && !factors) throw new Error("a basis of few numbers needs its factors");
    const banded = factors && planBanded(factors, space.picture, plan);
    const gray = space.basis.kind === "channel" ? this.#size : 0;
    this.#difference = plan.words((factors ? steps + 1 : 1) * this.#riderSize + gray);
    this.#riders = plan.words(rows * this.#riderSize);
    this.#added = banded ? plan.words(Math.max(this.#size, (steps + 1) * banded.spreadNumbers)) : 0;
    this.#deltas = deltas ? plan.words((steps + 1) * this.#size) : 0;
    this.#pictures =
      mask && space.basis.kind === "separable" ? plan.words(Math.max(1, steps) * this.#size) : 0;
    this.#rows = plan.words(rows * this.#size);
    const { memory, kernels: run } = plan.allocate();
    this.#memory = memory;
    this.#run = run;
    run.setLayout(4 * this.#size, 4 * this.#riderSize, scratch, 4 * scratchLine);
    if (mask) new Uint32Array(memory, this.#mask, mask.length).set(mask);
    if (space.basis.kind === "channel") {
      new Float32Array(memory, this.#channelWeights, 3).set(space.basis.weights);
    }
    this.#fast = attachFast?.(memory, run);
    this.#banded = banded?.attach(memory, run);
    this.#measure.attach(memory, run, this.#mask, this.#channelWeights);
  }

  #view(base: Address, size: number, from: number, to: number): Array32 {
    const values = new Float32Array(this.#memory, base + 4 * size * from, size * (to - from));
    return { values, dims: [to - from, size] };
  }

  /** What {@link measure} keeps of the steps it was called for. */
  get kept(): Pick<RowMeasure, "keptNumbers" | "readKept" | "writeKept"> {
    return this.#measure;
  }

  /** Size of its memory. */
  get bytes(): number {
    return this.#memory.byteLength;
  }

  /** Rows [from, to). The view stays valid. */
  rows(from: number, to: number): Array32 {
    return this.#view(this.#rows, this.#size, from, to);
  }

  /** Riders of rows [from, to). */
  riders(from: number, to: number): Array32 {
    return this.#view(this.#riders, this.#riderSize, from, to);
  }

  /** Corrections of `count` states as the last scan with `deltas` found them. */
  deltas(count: number): Array32 {
    this.#atMost(count, this.size.deltas ? this.size.steps + 1 : 0, "corrections");
    return this.#view(this.#deltas, this.#size, 0, count);
  }

  /** What was not planned for would overwrite something else. */
  #atMost(count: number, planned: number, what: string): void {
    if (count > planned) throw new RangeError(`${count} ${what}, and this block has room for ${planned}`);
  }

  #row(row: number): Address {
    return this.#rows + 4 * this.#size * row;
  }

  #ridersOf(row: number): Address {
    return this.#riders + 4 * this.#riderSize * row;
  }

  /** Pictures that rows [from, to) stand for; the rows themselves where states are pictures. Valid until the next call. */
  async pictures(from: number, to: number): Promise<Array32> {
    const { matrices } = this.kernels;
    if (!this.#pictures) return this.rows(from, to);
    this.#atMost(to - from, Math.max(1, this.size.steps), "pictures");
    const pictures = this.#view(this.#pictures, this.#size, 0, to - from);
    this.#fast?.synthesise(this.#row(from), this.#pictures, to - from);
    await matrices?.synthesis.run({ u: this.rows(from, to) }, { x: pictures });
    return pictures;
  }

  /** Rows [from, to) hold pictures: makes states of them, and their riders. */
  async fromPictures(from: number, to: number): Promise<void> {
    if (this.#pictures) {
      const rows = this.rows(from, to);
      this.#fast?.analyse(this.#row(from), this.#row(from), to - from);
      await this.kernels.matrices?.analysis.run({ x: rows }, { u: rows });
    }
    this.fillRiders(from, to);
  }

  /** Riders of rows [from, to), where the space has any. */
  fillRiders(from: number, to: number): void {
    const { basis, picture } = this.kernels.space;
    if (basis.kind === "block-mean") {
      for (let row = from; row < to; row++) {
        this.#run.poolBlocks(this.#row(row), this.#ridersOf(row), picture.width, basis.scale);
      }
    } else this.#banded?.analyse(this.#row(from), this.#ridersOf(from), to - from);
  }

  /** Row `out` becomes sum_k null_k row_k + P sum_k (range_k - null_k) row_k, riders too. It may be one of the terms. */
  combine(terms: readonly Term[], out: number): void {
    const { basis, picture } = this.kernels.space;
    const run = this.#run;
    this.#atMost(terms.length, this.size.rows, "terms");
    const integers = new Uint32Array(this.#memory, this.#terms, 4 * terms.length);
    const floats = new Float32Array(this.#memory, this.#terms, 4 * terms.length);
    const write = (weight: (term: Term) => number) => {
      for (const [k, term] of terms.entries()) {
        integers[4 * k] = this.#row(term.row);
        integers[4 * k + 1] = this.#ridersOf(term.row);
        floats[4 * k + 2] = weight(term);
        floats[4 * k + 3] = term.range;
      }
    };
    const [list, count, row] = [this.#terms, terms.length, this.#row(out)];
    const projects = terms.some((term) => term.range !== term.null);
    if (basis.kind === "channel" && projects) {
      // The row may be one of the terms: what has to be projected is made first.
      write(({ range, null: onNull }) => range - onNull);
      run.combineRows(list, count, this.#difference, 4 * this.#size);
    }
    write((term) => term.null);
    if (this.#mask) run.combineMasked(list, count, row, this.#mask, 4 * this.#maskLength());
    else {
      run.combineRows(list, count, row, 4 * this.#size);
      if (basis.kind === "channel") {
        if (projects) run.addGray(row, this.#difference, this.#channelWeights);
      } else run.combineRiders(list, count, this.#ridersOf(out), this.#difference);
      if (basis.kind === "block-mean") run.addBlocks(this.#difference, row, picture.width, basis.scale);
      else if (this.#banded) {
        this.#banded.synthesise(this.#difference, this.#added, 1);
        run.addRow(row, this.#added);
      }
    }
  }

  /**
   * Prepares {@link pass}: fills the riders of the correction's row. Until the last pass it may not change, nor may anything be
   * combined or scanned.
   */
  beginPass(delta: number): void {
    this.fillRiders(delta, delta + 1);
    this.#banded?.synthesise(this.#ridersOf(delta), this.#added, 1);
  }

  /** z <- z + null delta + P (range - null) delta, riders too. @param delta the row that {@link beginPass} was called for */
  pass(state: number, delta: number, factors: OnEachPart): void {
    const { basis, picture } = this.kernels.space;
    const run = this.#run;
    const [z, d, u] = [this.#row(state), this.#row(delta), this.#ridersOf(delta)];
    const { null: onNull, range: onRange } = factors;
    if (this.#mask) {
      run.passMasked(z, d, onNull, onRange, this.#mask, 4 * this.#maskLength());
      return;
    }
    if (basis.kind === "channel") {
      run.passChannels(z, d, onNull, onRange, this.#channelWeights);
      return;
    }
    run.passRiders(this.#ridersOf(state), u, onRange);
    if (basis.kind === "block-mean") run.passBlocks(z, d, u, onNull, onRange, picture.width, basis.scale);
    else run.passRow(z, d, this.#riderSize > 0 ? this.#added : 0, onNull, onRange);
  }

  #maskLength(): number {
    return this.kernels.mask?.length ?? 0;
  }

  #writeWeights(weights: StepRows["weights"]): void {
    this.#atMost(weights.length, this.size.steps, "steps");
    const values = new Float32Array(this.#memory, this.#coefficients, 10 * weights.length);
    for (const [r, on] of weights.entries()) {
      writePart(values, 10 * r, on.null);
      writePart(values, 10 * r + 5, on.range);
    }
  }

  /**
   * Corrects the n + 1 states in place: delta_{r+1} = J_r delta_r + f(z_r) - z_{r+1}, z_r <- z_r + delta_r.
   * @param entry row of delta_0, or undefined for none
   * @param exit row that receives delta_n, without its riders
   */
  scan(steps: StepRows, entry: number | undefined, exit?: number): void {
    const { basis, picture } = this.kernels.space;
    const run = this.#run;
    const count = steps.weights.length;
    const at = (row: number | undefined, of: (row: number) => Address) => (row === undefined ? 0 : of(row));
    const row = (r: number) => this.#row(r);
    const riders = (r: number) => this.#ridersOf(r);
    this.#writeWeights(steps.weights);
    run.setScan(
      count,
      row(steps.states),
      row(steps.noise),
      row(steps.measurement),
      at(steps.fresh, row),
      at(entry, row),
      this.#deltas,
      at(exit, row),
      this.#coefficients,
    );
    if (this.#mask) {
      run.scanMasked(this.#mask, 4 * this.#maskLength());
      return;
    }
    run.setRiders(
      riders(steps.states),
      riders(steps.noise),
      riders(steps.measurement),
      at(steps.fresh, riders),
      at(entry, riders),
    );
    if (basis.kind === "block-mean") run.scanBlocks(picture.width, basis.scale);
    else if (basis.kind === "channel") run.scanChannels(this.#channelWeights);
    else if (this.#banded) {
      run.scanRiders(this.#difference);
      this.#banded.spread(this.#difference, this.#added, count + 1);
      this.#banded.scan(this.#added);
    }
  }

  /**
   * Takes the numbers that {@link measure} looks at from one step's state and noise estimate: while they lie in the cache, as
   * behind the network's call, that costs half. The rows must stay as they are until {@link measure} is called.
   * @param step which of the steps that will be measured: 0, then 1, ..
   */
  gather(steps: Omit<StepRows, "weights">, step: number): void {
    this.#measure.gather(
      this.#measuredRows(steps, step, (row) => this.#row(row), this.#size),
      this.#measuredRows(steps, step, (row) => this.#ridersOf(row), this.#riderSize),
      step,
    );
  }

  /** Where the steps lie from number `step` on. */
  #measuredRows(
    { states, noise, measurement, fresh }: Omit<StepRows, "weights">,
    step: number,
    at: (row: number) => Address,
    size: number,
  ): MeasuredRows {
    return {
      states: at(states + step),
      noise: at(noise + step),
      measurement: at(measurement),
      fresh: fresh === undefined ? 0 : at(fresh + step),
      coefficients: this.#coefficients,
      stride: 4 * size,
    };
  }

  /**
   * Sums of squares of the residuals f(z_r) - z_{r+1} on each part and, where secants are measured, <dz, dz> and <dz, df>
   * against the call before for the same step. Sampled parts are not scaled up.
   * @param first the block's number of the first step, for which the sums of the call before are kept
   */
  measure(steps: StepRows, first: number): readonly Readonly<Record<Part, PartSums>>[] {
    this.#writeWeights(steps.weights);
    return this.#measure.run(
      this.#measuredRows(steps, 0, (row) => this.#row(row), this.#size),
      this.#measuredRows(steps, 0, (row) => this.#ridersOf(row), this.#riderSize),
      first,
      steps.weights.length,
    );
  }
}
