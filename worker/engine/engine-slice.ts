/**
 * A slice [begin, end) of a chain: the round, as a scan over its states.
 *
 * Row r belongs to state begin + r. Two buffers take turns: a correction reads one and writes the states of the other,
 * so that both rounds are at hand for the secant estimate. With C[i][j] = J_{i-1} .. J_j the correction of all states
 * is C . source, and s_{p:q}, what the coordinator needs of the slice, its last row without the entry's correction.
 */
import {
  heldNoiseJacobian,
  heldPictureJacobian,
  type StepJacobian,
  secantJacobian,
} from "../../shared/chain/jacobian.js";
import { type Method, methods } from "../../shared/chain/method.js";
import type {
  RoundCommand,
  RoundReport,
  SerialReport,
  Slice,
  SliceSpec,
} from "../../shared/chain/slice-host.js";
import { type NoiseSchedule, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { PictureError } from "../../shared/errors.js";
import type { SliceKernels } from "../../shared/kernels/slice-kernels.js";
import { type Part, parts, type SplitLayout } from "../../shared/kernels/split-basis.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { MixingHistory } from "./mixing-history.js";
import type { NoiseEstimator } from "./network.js";
import { correctionMatrix, jacobianProduct, scanMatrix, stepMatrix } from "./round-algebra.js";
import { makeRows, matrix, rowsView, SliceBuffer } from "./slice-states.js";
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
  /** n: steps of the slice. */
  readonly #steps: number;
  /** States of this round, and in time their sources. */
  #current: SliceBuffer;
  /** The round before. */
  #previous: SliceBuffer;
  /** Pictures of the states, [n + 1, 3, H, W]: what the network is shown. */
  readonly #pictures: Float32Array;
  readonly #noiseEstimates: Float32Array;
  readonly #jacobians: StepJacobian[];
  readonly #history: MixingHistory | undefined;

  private constructor(
    spec: SliceSpec,
    network: NoiseEstimator,
    kernels: SliceKernels,
    buffers: readonly [SliceBuffer, SliceBuffer],
  ) {
    const { layout, steps } = buffers[0];
    const pixels = 3 * spec.chain.canvas.height * spec.chain.canvas.width;
    const schedule = noiseSchedule(spec.chain.schedule);
    this.#spec = spec;
    this.#network = network;
    this.#kernels = kernels;
    this.#layout = layout;
    this.#schedule = schedule;
    this.#method = methods[spec.chain.method];
    this.#steps = steps;
    [this.#current, this.#previous] = buffers;
    this.#pictures = new Float32Array((steps + 1) * pixels);
    this.#noiseEstimates = new Float32Array(steps * pixels);
    const guess =
      this.#method.jacobian === "secant"
        ? (step: number) => heldPictureJacobian(schedule, step)
        : (step: number) => heldNoiseJacobian(schedule, step, spec.chain.weights);
    this.#jacobians = Array.from({ length: steps }, (_, r) => guess(spec.begin + r));
    const { mixing } = this.#method;
    this.#history = mixing && new MixingHistory(mixing, kernels, layout, steps + 1);
  }

  /** Computes the starting states and opens the slice. */
  static async open(
    spec: SliceSpec,
    network: NoiseEstimator,
    kernels: SliceKernels,
    layout: SplitLayout,
  ): Promise<EngineSlice> {
    const steps = spec.end - spec.begin;
    const states = await startingStates(spec, kernels, layout);
    const offsets = await stepOffsets(spec, kernels, layout);
    const buffer = () => {
      const made = new SliceBuffer(layout, steps, offsets.null.length / layout.null);
      for (const part of parts) {
        made.view(part, made.firstState, made.firstNoise).values.set(states[part]);
        made.view(part, made.firstOffset, made.end).values.set(offsets[part]);
      }
      return made;
    };
    return new EngineSlice(spec, network, kernels, [buffer(), buffer()]);
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
      residuals = await this.#propose(this.#current, from, begin, true, `round ${command.round}`);
      if (moved && this.#method.jacobian === "secant") await this.#estimateJacobians(from);
      if (end < this.#schedule.steps) exit = await this.#compose(from);
    }
    const total = now() - started;
    const transfer = {
      range: jacobianProduct(this.#jacobians, "range", from, this.#steps),
      null: jacobianProduct(this.#jacobians, "null", from, this.#steps),
    };
    return { residuals, transfer, exit, evaluations, seconds: { network, kernels: total - network, total } };
  }

  async serial(): Promise<SerialReport> {
    const started = now();
    const { begin } = this.#spec;
    const whole = this.#current;
    // One step at a time needs one step's rows only; the entry state and A^+ y are carried over.
    const one = new SliceBuffer(this.#layout, 1, Math.min(2, whole.offsets));
    one.copy(whole, whole.firstState, whole.firstState + 1, one.firstState);
    one.copy(whole, whole.firstOffset, whole.firstOffset + 1, one.firstOffset);
    let network = 0;
    for (let r = 0; r < this.#steps; r++) {
      if (one.offsets > 1) {
        one.copy(whole, whole.firstOffset + 1 + r, whole.firstOffset + 2 + r, one.firstOffset + 1);
      }
      network += await this.#evaluate(one, 0, 1, begin + r);
      await this.#propose(one, 0, begin + r, false, `step ${r + 1} of the serial chain`);
      one.copy(one, 1, 2, one.firstState);
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

  async #picture(buffer: SliceBuffer, row: number): Promise<Float32Array> {
    const { height, width } = this.#spec.chain.canvas;
    const x = new Float32Array(3 * height * width);
    await this.#kernels.synthesize.run(buffer.states("", row, row + 1), {
      x: { values: x, dims: [1, 3, height, width] },
    });
    return x;
  }

  #pictureRows(all: Float32Array, from: number, to: number): Array32 {
    const { height, width } = this.#spec.chain.canvas;
    const size = 3 * height * width;
    return { values: all.subarray(from * size, to * size), dims: [to - from, 3, height, width] };
  }

  /** Writes the corrected states to the other buffer, and makes that the current one. */
  async #correct(command: RoundCommand, correctFrom: number): Promise<void> {
    const layout = this.#layout;
    const [old, made] = [this.#current, this.#previous];
    const { begin } = this.#spec;
    const from = Math.max(correctFrom - begin, 0);
    const entryMoves = command.correction !== undefined && from === 0;
    if (command.correction) {
      const packed = { values: command.correction, dims: [1, layout.packed] };
      await this.#kernels.unpack.run({ packed }, old.sources("", 0, 1));
    }
    const corrections = this.#history && makeRows(layout, this.#steps + 1);
    for (const part of parts) {
      const scan = scanMatrix(this.#jacobians, part, from, this.#steps, entryMoves);
      await this.#kernels.combine.run(
        { coefficients: correctionMatrix(old, scan, from), rows: old.view(part, from, old.firstNoise) },
        { out: made.view(part, made.firstState + from, made.firstNoise) },
      );
      if (!corrections) continue;
      await this.#kernels.combine.run(
        { coefficients: scan, rows: old.view(part, from, this.#steps + 1) },
        { out: rowsView(layout, corrections, part, from, this.#steps + 1) },
      );
    }
    made.copy(old, old.firstState, old.firstState + from, made.firstState);
    if (corrections) {
      // The first state that is not final takes the plain step, which makes it exact; mixing would not.
      await this.#history?.mix(corrections, made.stateRows(), from, correctFrom + 1 - begin);
    }
    [this.#current, this.#previous] = [made, old];
  }

  /**
   * Noise estimates of steps [from, to) of a buffer, split into parts.
   * @param begin the chain's step that the buffer's step 0 is
   * @returns seconds in the network
   */
  async #evaluate(buffer: SliceBuffer, from: number, to: number, begin: number): Promise<number> {
    const x = this.#pictureRows(this.#pictures, from, to);
    const eps = this.#pictureRows(this.#noiseEstimates, from, to);
    await this.#kernels.synthesize.run(buffer.states("", from, to), { x });
    const started = now();
    const timesteps = this.#schedule.timesteps.slice(begin + from, begin + to);
    await this.#network.evaluate(x.values, timesteps, this.#spec.chain.canvas, eps.values);
    const seconds = now() - started;
    await this.#kernels.analyze.run({ x: eps }, buffer.noise("", from, to));
    return seconds;
  }

  /**
   * Sources of the steps from `from` on; returns their mean squares.
   * @throws PictureError if one is not finite
   */
  async #propose(
    buffer: SliceBuffer,
    from: number,
    begin: number,
    subtractNext: boolean,
    when: string,
  ): Promise<number[]> {
    const { weights, canvas, pictureId } = this.#spec.chain;
    const algebra = { schedule: this.#schedule, weights, begin };
    const count = buffer.steps - from;
    for (const part of parts) {
      await this.#kernels.combine.run(
        {
          coefficients: stepMatrix(buffer, algebra, part, from, subtractNext),
          rows: buffer.view(part, buffer.firstState + from, buffer.end),
        },
        { out: buffer.view(part, from + 1, buffer.steps + 1) },
      );
    }
    const dots = { values: new Float32Array(count), dims: [count] };
    const made = (name: string) => buffer.sources(name, from + 1, buffer.steps + 1);
    await this.#kernels.rowDots.run({ ...made("a"), ...made("b") }, { dots });
    const broken = dots.values.findIndex((square) => !Number.isFinite(square));
    if (broken >= 0) {
      throw new PictureError(
        `picture ${pictureId}: the network's noise estimate is not finite in ${when} at timestep ${this.#schedule.timesteps[begin + from + broken]}; check the model (fp16 overflow?) and the picture`,
      );
    }
    return Array.from(dots.values, (square) => square / (3 * canvas.height * canvas.width));
  }

  /** Secant estimates of the steps from `from` on. */
  async #estimateJacobians(from: number): Promise<void> {
    const [now, before] = [this.#current, this.#previous];
    const to = this.#steps;
    const scalars = (): Array32 => ({ values: new Float32Array(to - from), dims: [to - from] });
    const products: Record<string, Array32> = {};
    for (const part of parts) {
      products[`dzdz.${part}`] = scalars();
      products[`dzdf.${part}`] = scalars();
    }
    await this.#kernels.secantProducts.run(
      {
        ...now.states("state", from, to),
        ...before.states("previous.state", from, to),
        ...now.states("next", from + 1, to + 1),
        ...before.states("previous.next", from + 1, to + 1),
        ...now.sources("source", from + 1, to + 1),
        ...before.sources("previous.source", from + 1, to + 1),
      },
      products,
    );
    for (let r = from; r < to; r++) {
      const on = (part: Part) => ({
        dzdf: products[`dzdf.${part}`].values[r - from],
        dzdz: products[`dzdz.${part}`].values[r - from],
      });
      const found = { range: on("range"), null: on("null") };
      this.#jacobians[r] = secantJacobian(this.#schedule, this.#spec.begin + r, found, this.#jacobians[r]);
    }
  }

  /** s: the last row of the scan with an uncorrected entry state, packed. */
  async #compose(from: number): Promise<Float32Array> {
    const { packed: size } = this.#layout;
    const packed = new Float32Array(size);
    const transfer = (part: Part) =>
      matrix(1, this.#steps - from, (_, j) =>
        jacobianProduct(this.#jacobians, part, from + j + 1, this.#steps),
      );
    await this.#kernels.compose.run(
      {
        ...this.#current.sources("source", from + 1, this.#steps + 1),
        "transfer.range": transfer("range"),
        "transfer.null": transfer("null"),
      },
      { packed: { values: packed, dims: [1, size] } },
    );
    return packed;
  }
}
