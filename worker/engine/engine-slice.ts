/**
 * A slice [begin, end) of a chain: the round, as a scan over its states.
 *
 * Row r of every buffer belongs to state begin + r. `source` holds what the scan sums: in row 0 the correction of the
 * entry state, in row r + 1 the residual f(z_r) - z_{r+1} of the step that makes state r + 1. With
 * C[i][j] = J_{i-1} .. J_j the correction of all states is C . source, and s_{p:q} its last row without row 0.
 */
import {
  heldNoiseJacobian,
  heldPictureJacobian,
  nullWeight,
  type StepJacobian,
  secantJacobian,
} from "../../shared/chain/jacobian.js";
import { type Method, methods } from "../../shared/chain/method.js";
import type {
  EngineSeconds,
  RoundCommand,
  RoundReport,
  SerialReport,
  Slice,
  SliceSpec,
} from "../../shared/chain/slice-host.js";
import { type NoiseSchedule, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { stepCoefficients } from "../../shared/diffusion/step.js";
import { PictureError } from "../../shared/errors.js";
import type { SliceKernels } from "../../shared/kernels/slice-kernels.js";
import { type Part, parts, type SplitLayout } from "../../shared/kernels/split-basis.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { MixingHistory } from "./mixing-history.js";
import type { NoiseEstimator } from "./network.js";
import { bothParts, makeRows, matrix, type Rows, rowsView } from "./slice-states.js";
import { startingStates, stepOffsets } from "./starting-states.js";

/** Seconds since an arbitrary moment. */
const now = (): number => performance.now() / 1000;

/** A slice computed in this thread. */
export class EngineSlice implements Slice {
  readonly #spec: SliceSpec;
  readonly #network: NoiseEstimator;
  readonly #kernels: SliceKernels;
  readonly #layout: SplitLayout;
  readonly #schedule: NoiseSchedule;
  readonly #method: Method;
  /** States begin..end. */
  #states: Rows;
  #spareStates: Rows;
  #source: Rows;
  #spareSource: Rows;
  /** What the last correction added to every state. */
  readonly #delta: Rows;
  /** Measurement and fresh noise: the part of every step that no state changes. Row 0 is A^+ y. */
  readonly #offsets: Rows;
  readonly #pictures: Float32Array;
  readonly #noiseEstimates: Float32Array;
  #jacobians: StepJacobian[];
  readonly #history: MixingHistory | undefined;

  private constructor(
    spec: SliceSpec,
    network: NoiseEstimator,
    kernels: SliceKernels,
    layout: SplitLayout,
    states: Rows,
    offsets: Rows,
  ) {
    const rows = spec.end - spec.begin + 1;
    const pixels = 3 * spec.chain.canvas.height * spec.chain.canvas.width;
    this.#spec = spec;
    this.#network = network;
    this.#kernels = kernels;
    this.#layout = layout;
    this.#schedule = noiseSchedule(spec.chain.schedule);
    this.#method = methods[spec.chain.method];
    this.#states = states;
    this.#offsets = offsets;
    this.#spareStates = makeRows(layout, rows);
    this.#source = makeRows(layout, rows);
    this.#spareSource = makeRows(layout, rows);
    this.#delta = makeRows(layout, rows);
    this.#pictures = new Float32Array(rows * pixels);
    this.#noiseEstimates = new Float32Array((rows - 1) * pixels);
    const guess =
      this.#method.jacobian === "secant"
        ? (step: number) => heldPictureJacobian(this.#schedule, step)
        : (step: number) => heldNoiseJacobian(this.#schedule, step, spec.chain.weights);
    this.#jacobians = Array.from({ length: rows - 1 }, (_, r) => guess(spec.begin + r));
    this.#history = this.#method.mixing && new MixingHistory(this.#method.mixing, kernels, layout, rows);
  }

  /** Computes the starting states and opens the slice. */
  static async open(
    spec: SliceSpec,
    network: NoiseEstimator,
    kernels: SliceKernels,
    layout: SplitLayout,
  ): Promise<EngineSlice> {
    const states = await startingStates(spec, kernels, layout);
    const offsets = await stepOffsets(spec, kernels, layout);
    return new EngineSlice(spec, network, kernels, layout, states, offsets);
  }

  async round(command: RoundCommand): Promise<RoundReport> {
    const started = now();
    const { begin, end } = this.#spec;
    if (command.forget) this.#history?.clear();
    const from = Math.max(command.evaluateFrom, begin) - begin;
    const last = end - begin;
    if (command.correctFrom !== undefined) await this.#correct(command, command.correctFrom, from);
    else if (from < last) await this.#synthesize(from, last + 1);
    if (from >= last) {
      const total = now() - started;
      const seconds = { network: 0, kernels: total, total };
      return { residuals: [], transfer: { range: 1, null: 1 }, exit: undefined, evaluations: 0, seconds };
    }
    const network = await this.#evaluate(from, last);
    const residuals = await this.#propose(command.round, from, last, command.correctFrom !== undefined);
    const exit = end < this.#schedule.steps ? await this.#compose(from, last) : undefined;
    const total = now() - started;
    return {
      residuals,
      transfer: this.#transfer(from, last),
      exit,
      evaluations: last - from,
      seconds: { network, kernels: total - network, total },
    };
  }

  async serial(): Promise<SerialReport> {
    const started = now();
    const { begin, end } = this.#spec;
    let network = 0;
    for (let step = begin; step < end; step++) {
      // Row 0 is the current state; the step's result is written over it.
      await this.#synthesize(0, 1);
      network += await this.#evaluate(0, 1, step);
      const [residual] = await this.#runPropose(0, 1, this.#spareSource, step, false);
      this.#refuseNonFinite(residual, `serial step ${step + 1}`, step);
      for (const part of parts) {
        const made = rowsView(this.#layout, this.#spareSource, part, 1, 2).values;
        rowsView(this.#layout, this.#states, part, 0, 1).values.set(made);
      }
    }
    await this.#synthesize(0, 1);
    const total = now() - started;
    const seconds: EngineSeconds = { network, kernels: total - network, total };
    const pixels = this.#pictures.length / (end - begin + 1);
    return { exit: this.#pictures.slice(0, pixels), evaluations: end - begin, seconds };
  }

  async readState(which: "entry" | "exit"): Promise<Float32Array> {
    const row = which === "entry" ? 0 : this.#spec.end - this.#spec.begin;
    const { height, width } = this.#spec.chain.canvas;
    const x = new Float32Array(3 * height * width);
    await this.#kernels.synthesize.run(bothParts(this.#layout, "", this.#states, row, row + 1), {
      x: { values: x, dims: [1, 3, height, width] },
    });
    return x;
  }

  async close(): Promise<void> {
    // Buffers are garbage once the slice is dropped; the kernels are shared with other slices.
  }

  #pictureRows(all: Float32Array, from: number, to: number): Array32 {
    const { height, width } = this.#spec.chain.canvas;
    const size = 3 * height * width;
    return { values: all.subarray(from * size, to * size), dims: [to - from, 3, height, width] };
  }

  async #synthesize(from: number, to: number): Promise<void> {
    await this.#kernels.synthesize.run(bothParts(this.#layout, "", this.#states, from, to), {
      x: this.#pictureRows(this.#pictures, from, to),
    });
  }

  /** Corrects every state after `correctFrom`; leaves pictures of the corrected states behind. */
  async #correct(command: RoundCommand, correctFrom: number, evaluateFrom: number): Promise<void> {
    const { begin, end } = this.#spec;
    const from = Math.max(correctFrom - begin, 0);
    const to = end - begin + 1;
    if (from >= to - 1) return;
    for (const part of parts) this.#delta[part].fill(0);
    const layout = this.#layout;
    if (command.correction) {
      await this.#kernels.unpack.run(
        { packed: { values: command.correction, dims: [1, layout.packed] } },
        bothParts(layout, "", this.#source, 0, 1),
      );
    }
    const entryMoves = command.correction !== undefined && from === 0;
    const scan = (part: Part) => matrix(to - from, to - from, this.#scanEntry(part, from, entryMoves));
    await this.#kernels.correct.run(
      {
        ...bothParts(layout, "state", this.#states, from, to),
        ...bothParts(layout, "source", this.#source, from, to),
        "scan.range": scan("range"),
        "scan.null": scan("null"),
      },
      {
        ...bothParts(layout, "delta", this.#delta, from, to),
        ...bothParts(layout, "corrected", this.#spareStates, from, to),
        x: this.#pictureRows(this.#pictures, from, to),
      },
    );
    if (this.#history) {
      // The first state that is not final takes the plain step, which makes it exact; mixing would not.
      const plain = correctFrom + 1 - begin;
      await this.#history.mix(this.#delta, this.#spareStates, from, plain);
    }
    for (const part of parts) {
      // Rows before `from` are final: carried over once and never touched again.
      rowsView(layout, this.#spareStates, part, 0, from).values.set(
        rowsView(layout, this.#states, part, 0, from).values,
      );
    }
    [this.#states, this.#spareStates] = [this.#spareStates, this.#states];
    if (this.#history) await this.#synthesize(Math.min(evaluateFrom, to - 1), to);
  }

  /** C[i][j] on rows from `from`: the product of the Jacobians of the steps between; column 0 only if the entry moves. */
  #scanEntry(part: Part, from: number, entryMoves: boolean): (i: number, j: number) => number {
    return (i, j) => {
      if (j > i || (j === 0 && !entryMoves)) return 0;
      let product = 1;
      for (let row = j; row < i; row++) product *= this.#jacobians[from + row][part];
      return product;
    };
  }

  /** eps at rows [from, to); returns the seconds it took. Serial runs name the step whose timestep row 0 has. */
  async #evaluate(from: number, to: number, step = this.#spec.begin + from): Promise<number> {
    const started = now();
    const timesteps = this.#schedule.timesteps.slice(step, step + to - from);
    const x = this.#pictureRows(this.#pictures, from, to).values;
    const out = this.#pictureRows(this.#noiseEstimates, from, to).values;
    await this.#network.evaluate(x, timesteps, this.#spec.chain.canvas, out);
    return now() - started;
  }

  /** Residuals of rows [from, to), and with the secant method new Jacobians. */
  async #propose(round: number, from: number, to: number, moved: boolean): Promise<number[]> {
    const secant = this.#method.jacobian === "secant" && moved;
    const squares = await this.#runPropose(
      from,
      to,
      this.#spareSource,
      this.#spec.begin + from,
      true,
      secant,
    );
    for (let r = from; r < to; r++) {
      const step = this.#spec.begin + r;
      this.#refuseNonFinite(squares[r - from], `round ${round}`, step);
    }
    [this.#source, this.#spareSource] = [this.#spareSource, this.#source];
    return squares;
  }

  /**
   * Writes f(z_r) - z_{r+1} (or f(z_r) alone) to rows r + 1 of `target`; returns its mean squares.
   * @param step the step of row `from`
   */
  async #runPropose(
    from: number,
    to: number,
    target: Rows,
    step: number,
    subtractNext: boolean,
    secant = false,
  ): Promise<number[]> {
    const layout = this.#layout;
    const n = to - from;
    const { weights, canvas } = this.#spec.chain;
    const offsetRows = this.#offsets.null.length / layout.null;
    const inputs: Record<string, Array32> = {
      eps: this.#pictureRows(this.#noiseEstimates, from, to),
      ...bothParts(layout, "state", this.#states, from, to + 1),
      ...bothParts(layout, "offset", this.#offsets, 0, offsetRows),
    };
    const outputs: Record<string, Array32> = bothParts(layout, "source", target, from + 1, to + 1);
    const scalars = (): Array32 => ({ values: new Float32Array(n), dims: [n] });
    for (const part of parts) {
      const c = Array.from({ length: n }, (_, i) =>
        stepCoefficients(this.#schedule, step + i, nullWeight[part], weights),
      );
      inputs[`stateC.${part}`] = matrix(n, n + 1, (i, j) =>
        i === j ? c[i].state : i + 1 === j && subtractNext ? -1 : 0,
      );
      inputs[`noiseC.${part}`] = matrix(n, n, (i, j) => (i === j ? c[i].noiseEstimate : 0));
      inputs[`offsetC.${part}`] = matrix(n, offsetRows, (i, j) => {
        if (j === 0) return c[i].measurement;
        return step + i - this.#spec.begin === j - 1 ? c[i].freshNoise : 0;
      });
      outputs[`squares.${part}`] = scalars();
      if (!secant) continue;
      inputs[`delta.${part}`] = rowsView(layout, this.#delta, part, from, to);
      inputs[`moved.${part}`] = rowsView(layout, this.#delta, part, from + 1, to + 1);
      inputs[`previous.${part}`] = rowsView(layout, this.#source, part, from + 1, to + 1);
      outputs[`dzdf.${part}`] = scalars();
      outputs[`dzdz.${part}`] = scalars();
    }
    await (secant ? this.#kernels.proposeSecant : this.#kernels.propose).run(inputs, outputs);
    if (secant) {
      for (let i = 0; i < n; i++) {
        const on = (part: Part) => ({
          dzdf: outputs[`dzdf.${part}`].values[i],
          dzdz: outputs[`dzdz.${part}`].values[i],
        });
        const products = { range: on("range"), null: on("null") };
        this.#jacobians[from + i] = secantJacobian(
          this.#schedule,
          step + i,
          products,
          this.#jacobians[from + i],
        );
      }
    }
    const size = 3 * canvas.height * canvas.width;
    return Array.from(
      { length: n },
      (_, i) => (outputs["squares.range"].values[i] + outputs["squares.null"].values[i]) / size,
    );
  }

  #transfer(from: number, to: number): StepJacobian {
    const on = (part: Part) => this.#jacobians.slice(from, to).reduce((product, j) => product * j[part], 1);
    return { range: on("range"), null: on("null") };
  }

  /** s: the last row of the scan with an uncorrected entry state. */
  async #compose(from: number, to: number): Promise<Float32Array> {
    const n = to - from;
    const packed = new Float32Array(this.#layout.packed);
    const weights = (part: Part) => matrix(1, n, (_, j) => this.#transfer(from + j + 1, to)[part]);
    await this.#kernels.compose.run(
      {
        ...bothParts(this.#layout, "source", this.#source, from + 1, to + 1),
        "transfer.range": weights("range"),
        "transfer.null": weights("null"),
      },
      { packed: { values: packed, dims: [1, this.#layout.packed] } },
    );
    return packed;
  }

  #refuseNonFinite(meanSquare: number, when: string, step: number): void {
    if (Number.isFinite(meanSquare)) return;
    const { pictureId } = this.#spec.chain;
    throw new PictureError(
      `picture ${pictureId}: the network's noise estimate is not finite in ${when} at timestep ${this.#schedule.timesteps[step]}; check the model (fp16 overflow?) and the picture`,
    );
  }
}
