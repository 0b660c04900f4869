/**
 * A slice [begin, end) of a chain: the round, as a scan over its states.
 *
 * Row r of a buffer's states is state begin + r. Two buffers take turns: a correction reads the states and noise
 * estimates of one round and writes the states of the next. Residuals are never laid out in memory: corrections and
 * the slice's composition s_{p:q} are combinations of the same rows (round-algebra.ts), and of the residuals
 * themselves only sums are needed.
 */
import { heldNoiseJacobian, heldPictureJacobian, type StepJacobian } from "../../shared/chain/jacobian.js";
import { methods } from "../../shared/chain/method.js";
import type {
  RoundCommand,
  RoundReport,
  SerialReport,
  Slice,
  SliceSpec,
} from "../../shared/chain/slice-host.js";
import { type NoiseSchedule, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import type { StateKernels } from "../../shared/kernels/state-kernels.js";
import { type Part, stateSize } from "../../shared/kernels/state-space.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { MixingHistory } from "./mixing-history.js";
import type { NoiseEstimator } from "./network.js";
import { refuseNonFinite } from "./non-finite.js";
import {
  type Combinations,
  combineInputs,
  correctedRows,
  correctionRows,
  lastRow,
  measureInputs,
  residualRows,
  stateRows,
  stepRows,
  transferOf,
} from "./round-algebra.js";
import { estimateJacobians, SecantMemory } from "./secant-memory.js";
import { SliceBuffer } from "./slice-buffer.js";
import { startingStates, stepOffsets } from "./starting-states.js";

/** Seconds since an arbitrary moment. */
const now = (): number => performance.now() / 1000;

/** A slice computed in this thread. */
export class EngineSlice implements Slice {
  readonly #spec: SliceSpec;
  readonly #network: NoiseEstimator;
  readonly #kernels: StateKernels;
  readonly #schedule: NoiseSchedule;
  /** n: steps of the slice. */
  readonly #steps: number;
  #current: SliceBuffer;
  #spare: SliceBuffer;
  /** What sampled sums stand for (sampling.ts). */
  readonly #factors: Readonly<Record<Part, number>>;
  readonly #jacobians: StepJacobian[];
  readonly #secants: SecantMemory | undefined;
  readonly #history: MixingHistory | undefined;

  private constructor(
    spec: SliceSpec,
    network: NoiseEstimator,
    kernels: StateKernels,
    buffers: readonly [SliceBuffer, SliceBuffer],
  ) {
    const { jacobian, mixing } = methods[spec.chain.method];
    const { steps } = buffers[0];
    const schedule = noiseSchedule(spec.chain.schedule);
    this.#spec = spec;
    this.#network = network;
    this.#kernels = kernels;
    this.#schedule = schedule;
    this.#steps = steps;
    [this.#current, this.#spare] = buffers;
    this.#factors = { range: kernels.samples.range.factor, null: kernels.samples.null.factor };
    this.#jacobians = Array.from({ length: steps }, (_, r) =>
      jacobian === "secant"
        ? heldPictureJacobian(schedule, spec.begin + r)
        : heldNoiseJacobian(schedule, spec.begin + r, spec.chain.weights),
    );
    this.#secants = jacobian === "secant" ? new SecantMemory(kernels, steps) : undefined;
    this.#history = mixing && new MixingHistory(mixing, kernels, steps + 1);
  }

  /** Computes the starting states and opens the slice. */
  static async open(spec: SliceSpec, network: NoiseEstimator, kernels: StateKernels): Promise<EngineSlice> {
    const steps = spec.end - spec.begin;
    const states = await startingStates(spec, kernels);
    const offsets = await stepOffsets(spec, kernels);
    const buffer = async () => {
      const made = new SliceBuffer(kernels.space, steps, offsets.length / stateSize(kernels.space));
      made.states(0, steps + 1).values.set(states);
      made.rows(made.firstOffset, made.end).values.set(offsets);
      await addRiders(kernels, made, made.firstOffset, made.end);
      return made;
    };
    return new EngineSlice(spec, network, kernels, [await buffer(), await buffer()]);
  }

  async round(command: RoundCommand): Promise<RoundReport> {
    const started = now();
    const { begin, end } = this.#spec;
    const { correctFrom, evaluateFrom } = command;
    if (command.forget) this.#history?.clear();
    const from = Math.max(evaluateFrom - begin, 0);
    const moved = correctFrom !== undefined && correctFrom < end;
    if (moved) await this.#correct(command, correctFrom);
    const evaluations = Math.max(0, this.#steps - from);
    let network = 0;
    let residuals: number[] = [];
    let exit: Float32Array | undefined;
    if (evaluations > 0) {
      network = await this.#evaluate(this.#current, from, this.#steps, begin);
      residuals = await this.#measure(from, moved, `round ${command.round}`);
      if (end < this.#schedule.steps) exit = await this.#compose(from);
    }
    const total = now() - started;
    const transfer = transferOf(this.#jacobians, from);
    return { residuals, transfer, exit, evaluations, seconds: { network, kernels: total - network, total } };
  }

  async serial(): Promise<SerialReport> {
    const started = now();
    const { weights } = this.#spec.chain;
    const whole = this.#current;
    // One step at a time needs one step's rows only; the entry state and A^+ y are carried over.
    const one = new SliceBuffer(this.#kernels.space, 1, Math.min(2, whole.offsets));
    one.copy(whole, whole.firstState, whole.firstState + 1, one.firstState);
    one.copy(whole, whole.firstOffset, whole.firstOffset + 1, one.firstOffset);
    let network = 0;
    for (let r = 0; r < this.#steps; r++) {
      const begin = this.#spec.begin + r;
      if (one.offsets > 1)
        one.copy(whole, whole.firstOffset + 1 + r, whole.firstOffset + 2 + r, one.firstOffset + 1);
      network += await this.#evaluate(one, 0, 1, begin);
      const algebra = { schedule: this.#schedule, weights, begin };
      await this.#combine(one, stepRows(one, algebra, 0), one.firstState, one.states(1, 2));
      const sum = one.states(1, 2).values.reduce((sum, value) => sum + value, 0);
      refuseNonFinite([sum], one, 0, { ...this.#where(begin), when: `step ${r + 1}` });
      one.copy(one, one.firstState + 1, one.firstState + 2, one.firstState);
    }
    const exit = await this.#picture(one, 0);
    const total = now() - started;
    return { exit, evaluations: this.#steps, seconds: { network, kernels: total - network, total } };
  }

  async readState(which: "entry" | "exit"): Promise<Float32Array> {
    return this.#picture(this.#current, which === "entry" ? 0 : this.#steps);
  }

  async close(): Promise<void> {
    // Buffers are garbage once the slice is dropped; the kernels are shared with other slices.
  }

  #planes({ values, dims }: Array32): Array32 {
    const { height, width } = this.#spec.chain.canvas;
    return { values, dims: [dims[0], 3, height, width] };
  }

  /** The rows of `combinations` over the buffer's rows from `firstRow` on. */
  async #combine(
    buffer: SliceBuffer,
    combinations: Combinations,
    firstRow: number,
    out: Array32,
  ): Promise<void> {
    const inputs = { ...combineInputs(combinations, firstRow), ...buffer.inputs(firstRow, buffer.end) };
    await this.#kernels.combine.run(inputs, { out });
  }

  /** A copy of one state, as a picture. */
  async #picture(buffer: SliceBuffer, row: number): Promise<Float32Array> {
    const state = buffer.states(row, row + 1);
    const { toPicture } = this.#kernels;
    if (!toPicture) return state.values.slice();
    const x = this.#planes({ values: new Float32Array(state.values.length), dims: [1] });
    await toPicture.run({ state }, { x });
    return x.values;
  }

  /** Names the chain's part in errors. */
  #where(begin: number) {
    const { pictureId } = this.#spec.chain;
    return { pictureId, timesteps: this.#schedule.timesteps.slice(begin) };
  }

  #algebra() {
    const { chain, begin } = this.#spec;
    return { schedule: this.#schedule, weights: chain.weights, begin };
  }

  /** Writes the corrected states to the other buffer, and makes that the current one. */
  async #correct(command: RoundCommand, correctFrom: number): Promise<void> {
    const [old, made] = [this.#current, this.#spare];
    const { begin } = this.#spec;
    const from = Math.max(correctFrom - begin, 0);
    const entryMoves = command.correction !== undefined && from === 0;
    if (command.correction) {
      old.rows(0, 1).values.set(command.correction);
      await addRiders(this.#kernels, old, 0, 1);
    }
    const firstRow = entryMoves ? 0 : old.firstState + from;
    const corrections = correctionRows(old, this.#algebra(), this.#jacobians, from, entryMoves);
    const states = made.states(from, this.#steps + 1);
    await this.#combine(old, correctedRows(old, corrections, from), firstRow, states);
    made.copy(old, old.firstState, old.firstState + from, made.firstState);
    if (this.#history) {
      await this.#combine(old, corrections, firstRow, this.#history.correctionSlot(from));
      // The first state that is not final takes the plain step, which makes it exact; mixing would not.
      await this.#history.mix(states, from, correctFrom + 1 - begin);
    }
    [this.#current, this.#spare] = [made, old];
  }

  /**
   * Noise estimates of steps [from, to) of a buffer.
   * @param begin the chain's step that the buffer's step 0 is
   * @returns seconds in the network
   */
  async #evaluate(buffer: SliceBuffer, from: number, to: number, begin: number): Promise<number> {
    const { toState, toPicture } = this.#kernels;
    const state = buffer.states(from, to);
    const noise = buffer.noise(from, to);
    // Where states are pictures the network reads and writes the buffer itself.
    const x = toPicture
      ? this.#planes({ values: new Float32Array(state.values.length), dims: [to - from] })
      : state;
    const eps = toState
      ? this.#planes({ values: new Float32Array(noise.values.length), dims: [to - from] })
      : noise;
    await toPicture?.run({ state }, { x });
    const started = now();
    const timesteps = this.#schedule.timesteps.slice(begin + from, begin + to);
    await this.#network.evaluate(x.values, timesteps, this.#spec.chain.canvas, eps.values);
    const seconds = now() - started;
    await toState?.run({ x: eps }, { state: noise });
    await addRiders(this.#kernels, buffer, buffer.firstState + from, buffer.firstNoise + to);
    return seconds;
  }

  /** Mean squares of the residuals of the steps from `from` on; with the secant method also their new Jacobians. */
  async #measure(from: number, moved: boolean, when: string): Promise<number[]> {
    const buffer = this.#current;
    const algebra = this.#algebra();
    const firstRow = buffer.firstState + from;
    const count = this.#steps - from;
    const outputs: Record<string, Array32> = {
      "squares.range": { values: new Float32Array(count), dims: [count] },
      "squares.null": { values: new Float32Array(count), dims: [count] },
      ...this.#secants?.outputs(from),
    };
    const inputs = {
      ...buffer.inputs(firstRow, buffer.end),
      ...measureInputs("residual", residualRows(buffer, algebra, from), firstRow),
    };
    if (this.#secants) {
      Object.assign(inputs, this.#secants.inputs(from), {
        ...measureInputs("made", stepRows(buffer, algebra, from), firstRow),
        ...measureInputs("state", stateRows(buffer, from), firstRow),
      });
    }
    await (this.#secants ? this.#kernels.secants : this.#kernels.residuals).run(inputs, outputs);
    const size = stateSize(this.#kernels.space);
    const [range, rest] = [outputs["squares.range"].values, outputs["squares.null"].values];
    const residuals = Array.from(
      range,
      (r, i) => (r * this.#factors.range + rest[i] * this.#factors.null) / size,
    );
    refuseNonFinite(residuals, buffer, from, { ...this.#where(this.#spec.begin), when });
    if (this.#secants && moved) {
      estimateJacobians(this.#jacobians, outputs, this.#schedule, this.#spec.begin, from);
    }
    this.#secants?.advance();
    return residuals;
  }

  /** s: the correction of the exit state if the entry state had none. */
  async #compose(from: number): Promise<Float32Array> {
    const buffer = this.#current;
    const corrections = correctionRows(buffer, this.#algebra(), this.#jacobians, from, false);
    const exit = new Float32Array(stateSize(this.#kernels.space));
    const out = { values: exit, dims: [1, exit.length] };
    await this.#combine(buffer, lastRow(corrections), buffer.firstState + from, out);
    return exit;
  }
}

/** Fills in the riders of rows [from, to), where the space has any. */
async function addRiders(
  kernels: StateKernels,
  buffer: SliceBuffer,
  from: number,
  to: number,
): Promise<void> {
  const riders = buffer.riders(from, to);
  if (riders) await kernels.riders?.run({ state: buffer.rows(from, to) }, { riders });
}
