/**
 * A slice [begin, end) of a chain: the round, as a scan over its states.
 *
 * State begin + r is row r of the buffer's states. Residuals are never laid out in memory: the scan corrects states in
 * place, and of the residuals themselves only sums are needed. It runs behind the evaluation, while the rows lie in the cache, and
 * ends with the slice's composition s_{p:q}; the next round adds what the correction of the entry state makes of each state. Where that
 * has to wait, the composition is one combination of the same rows (round-algebra.ts), and the scan begins the next round.
 */

import { type Mixing, methods } from "../../shared/chain/method.js";
import type {
  MovedSteps,
  Recut,
  RoundCommand,
  RoundReport,
  SerialReport,
  Slice,
  SliceSpec,
  StepRun,
} from "../../shared/chain/slice-host.js";

import { type NoiseSchedule, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import type { RowPool } from "../../shared/kernels/row-pool.js";
import { partFactors } from "../../shared/kernels/sampling.js";
import type { StateKernels } from "../../shared/kernels/state-kernels.js";
import type { StepRows, Term } from "../../shared/kernels/state-rows.js";
import { type OnEachPart, stateSize } from "../../shared/kernels/state-space.js";
import { canGoAhead, exitBefore, passCorrection } from "./ahead-correction.js";
import { ChainBatcher } from "./chain-batcher.js";
import { MixingHistory } from "./mixing-history.js";
import { copySteps, writeSteps } from "./moved-steps.js";
import type { NoiseEstimator } from "./network.js";
import { refuseBrokenNetwork } from "./non-finite.js";
import { compositionTerms, stepTerms, stepWeights, transferOf } from "./round-algebra.js";
import { SerialChain } from "./serial-chain.js";
import { SliceBuffer } from "./slice-buffer.js";
import { type Evaluation, evaluateSteps } from "./slice-evaluation.js";
import { SliceJacobians } from "./slice-jacobians.js";
import { writeOffsets, writeStartingStates } from "./starting-states.js";
import { checkCorrection } from "./tensor-lengths.js";

/** Seconds since an arbitrary moment. */
const now = (): number => performance.now() / 1000;

/** A row as it is, or times a factor. */
const whole = (row: number, factor = 1): Term => ({ row, range: factor, null: factor });

/** A slice computed in this thread. */
export class EngineSlice implements Slice {
  /** Its range changes when borders move. */
  #spec: SliceSpec;
  readonly #network: NoiseEstimator;
  readonly #kernels: StateKernels;
  readonly #pool: RowPool;
  readonly #schedule: NoiseSchedule;
  /** What sampled sums stand for (sampling.ts). */
  readonly #factors: OnEachPart;
  #jacobians: SliceJacobians;
  readonly #mixing: Mixing | undefined;
  /** The chain's steps before this one were inside the window of the last evaluations. */
  #windowTo = 0;
  /**
   * The states are corrected by the last evaluation already, but for what the correction of the entry state makes of them. The exit row
   * holds the correction of the last one.
   */
  #ahead = false;
  /** Corrected since they were evaluated: the next evaluation has something to be compared with. */
  #moved = false;
  /** Made when the first round asks for it: a serial run needs the rows of one step only. */
  #buffer: SliceBuffer | undefined;
  #history: MixingHistory | undefined;
  readonly #batcher: ChainBatcher;
  #chain: SerialChain | undefined;
  #closed = false;

  /**
   * @param pool where the slice takes its memory from, and gives it back to when closed
   * @param batcher runs the slice beside others where it is run serially
   */
  constructor(
    spec: SliceSpec,
    network: NoiseEstimator,
    kernels: StateKernels,
    pool: RowPool,
    batcher: ChainBatcher = new ChainBatcher(network),
  ) {
    const schedule = noiseSchedule(spec.chain.schedule);
    this.#spec = spec;
    this.#network = network;
    this.#kernels = kernels;
    this.#pool = pool;
    this.#batcher = batcher;
    this.#schedule = schedule;
    this.#factors = partFactors(kernels.samples);
    this.#mixing = methods[spec.chain.method].mixing;
    this.#jacobians = new SliceJacobians(spec, schedule);
  }

  /** n: steps of the slice. */
  get #steps(): number {
    return this.#spec.end - this.#spec.begin;
  }

  /** A buffer for a range, that holds anything. */
  #newBuffer(steps: number): SliceBuffer {
    const offsets = this.#spec.chain.weights.nw === 0 ? 1 : steps + 1;
    const keeps = {
      deltas: this.#mixing !== undefined,
      secants: methods[this.#spec.chain.method].jacobian === "secant",
    };
    return new SliceBuffer(this.#pool, this.#kernels, steps, offsets, keeps);
  }

  /** The buffer, with its starting states. */
  async #opened(): Promise<SliceBuffer> {
    if (this.#buffer) return this.#buffer;
    const buffer = this.#newBuffer(this.#steps);
    await writeStartingStates(this.#spec, buffer);
    await writeOffsets(this.#spec, buffer);
    const size = stateSize(this.#kernels.space);
    this.#history = this.#mixing && new MixingHistory(this.#mixing, size, this.#steps + 1);
    this.#buffer = buffer;
    return buffer;
  }

  async round(command: RoundCommand): Promise<RoundReport> {
    const started = now();
    checkCorrection(command.correction, this.#spec.chain);
    const { begin, end } = this.#spec;
    const { correctFrom, evaluateFrom, evaluateTo } = command;
    const buffer = await this.#opened();
    const opened = now();
    if (command.forget) this.#history?.clear();
    if (command.plain) this.#history = undefined;
    const from = Math.max(evaluateFrom - begin, 0);
    const corrects = correctFrom !== undefined && correctFrom < end;
    let pass: Evaluation["pass"] = () => {};
    // The corrections under way belong to the Jacobians that found them; plain iteration begins with what follows.
    if (corrects && command.restart) await this.#restart(buffer, correctFrom);
    else if (corrects && this.#ahead)
      pass = passCorrection(buffer, command.correction, this.#jacobians.values);
    else if (corrects) this.#correct(buffer, command, correctFrom);
    if (corrects) this.#ahead = false;
    if (command.gram) this.#mix(buffer, command.gram);
    this.#moved ||= corrects;
    if (command.plain && !this.#jacobians.plain) this.#jacobians.holdNoise();
    const to = Math.min(Math.max(evaluateTo - begin, from), this.#steps);
    const evaluations = Math.max(0, to - from);
    let network = 0;
    let residuals: number[] = [];
    let exit: Float32Array | undefined;
    pass(0, evaluations > 0 ? from : this.#steps + 1);
    if (evaluations > 0) {
      const timesteps = this.#schedule.timesteps.slice(begin, end);
      const { canvas } = this.#spec.chain;
      network = await evaluateSteps(buffer, { network: this.#network, canvas, from, to, timesteps, pass });
      pass(to, this.#steps + 1);
      residuals = this.#measure(buffer, from, to, command);
      // Mixing needs the corrections of the states as they were, and states beyond the window follow those inside.
      this.#ahead = command.correctAhead && !this.#mixing && to === this.#steps && canGoAhead(residuals);
      if (this.#ahead) buffer.block.scan(this.#stepRows(buffer, from, to), undefined, buffer.exit);
      if (end < this.#schedule.steps) exit = this.#exit(buffer, from, to);
    }
    // A correction alone leaves the last evaluation the last one.
    if (evaluateFrom < this.#schedule.steps) {
      this.#windowTo = evaluateTo;
      this.#moved = false;
    }
    const ended = now();
    const transfer = transferOf(this.#jacobians.values, from);
    const gram = corrects && this.#mixing?.fit === "triangular" ? (this.#history?.gramSums() ?? []) : [];
    const seconds = { network, kernels: ended - opened - network, total: ended - started };
    return { residuals, transfer, exit, gram, evaluations, seconds };
  }

  async serial(): Promise<SerialReport> {
    const started = now();
    const chain = await SerialChain.begin(this.#spec, this.#kernels, this.#pool);
    this.#chain = chain;
    const running = this.#batcher.run(chain, started);
    if (this.#closed) this.#batcher.drop(chain);
    return running;
  }

  async readState(which: "entry" | "exit"): Promise<Float32Array> {
    const buffer = await this.#opened();
    if (which === "entry") return this.#picture(buffer, buffer.firstState);
    return this.#picture(buffer, this.#ahead ? exitBefore(buffer) : buffer.firstState + this.#steps);
  }

  async give(run: StepRun): Promise<MovedSteps> {
    return copySteps(await this.#opened(), this.#spec.begin, run, this.#jacobians.values);
  }

  async recut({ begin, end, evaluatedTo, taken }: Recut): Promise<void> {
    const own = {
      begin: Math.max(begin, this.#spec.begin),
      end: Math.min(end, this.#spec.end),
      entry: true,
      exit: true,
    };
    const kept = this.#buffer && own.begin <= own.end ? [await this.give(own)] : [];
    this.#buffer?.close();
    this.#buffer = undefined;
    this.#spec = { ...this.#spec, begin, end, seeds: undefined };
    const { plain } = this.#jacobians;
    this.#jacobians = new SliceJacobians(this.#spec, this.#schedule);
    const buffer = this.#newBuffer(end - begin);
    this.#buffer = buffer;
    await writeOffsets(this.#spec, buffer);
    for (const run of [...kept, ...taken]) {
      writeSteps(buffer, begin, run);
      for (const [i, jacobian] of run.jacobians.entries())
        this.#jacobians.set(run.begin + i - begin, jacobian);
    }
    buffer.block.fillRiders(buffer.firstState, buffer.firstState + this.#steps + 1);
    this.#windowTo = evaluatedTo;
    this.#moved = true;
    this.#ahead = false;
    if (plain) this.#jacobians.holdNoise();
  }

  async close(): Promise<void> {
    // The kernels are shared with other slices; of this one nothing may be asked any more.
    this.#buffer?.close();
    this.#buffer = undefined;
    this.#closed = true;
    if (this.#chain) this.#batcher.drop(this.#chain);
  }

  /** Makes the state behind `correctFrom` without a look at what it was, and forgets what was beyond. */
  async #restart(buffer: SliceBuffer, correctFrom: number): Promise<void> {
    const { block, firstState } = buffer;
    const r = correctFrom - this.#spec.begin;
    block.combine(stepTerms(this.#stepRows(buffer, r, r + 1), 0), firstState + r + 1);
    await writeStartingStates({ ...this.#spec, seeds: undefined }, buffer, correctFrom + 2);
  }

  /** A copy of one row, as a picture. */
  async #picture(buffer: SliceBuffer, row: number): Promise<Float32Array> {
    return (await buffer.block.pictures(row, row + 1)).values.slice();
  }

  /** Names the chain's part in errors. */
  #where(begin: number) {
    const { pictureId } = this.#spec.chain;
    return { pictureId, timesteps: this.#schedule.timesteps.slice(begin) };
  }

  #algebra() {
    return { schedule: this.#schedule, weights: this.#spec.chain.weights };
  }

  /** Steps [from, to), with the Jacobians as they are now. */
  #stepRows(buffer: SliceBuffer, from: number, to: number): StepRows {
    const algebra = this.#algebra();
    const weights = this.#jacobians.values
      .slice(from, to)
      .map((jacobian, i) => stepWeights(algebra, this.#spec.begin + from + i, jacobian));
    return buffer.stepRows(from, weights);
  }

  /** Corrects the states in place: those inside the window by the scan, those beyond by what the scan arrives at. */
  #correct(buffer: SliceBuffer, command: RoundCommand, correctFrom: number): void {
    const { block, entry, exit, firstState } = buffer;
    const { begin } = this.#spec;
    const from = Math.max(correctFrom - begin, 0);
    const to = Math.max(this.#windowEnd(), from);
    const last = firstState + to;
    const entryMoves = command.correction !== undefined && from === 0;
    if (command.correction && entryMoves) {
      block.rows(entry, entry + 1).values.set(command.correction);
      block.fillRiders(entry, entry + 1);
    }
    const follows = to < this.#steps;
    if (follows) block.combine([whole(last)], exit);
    if (to > from) block.scan(this.#stepRows(buffer, from, to), entryMoves ? entry : undefined);
    else if (entryMoves) block.combine([whole(last), whole(entry)], last);
    if (follows) this.#follow(buffer, to);
    if (this.#history && to > from) {
      // What lies beyond the window follows the correction of the state it ends with, which is not mixed therefore: of a
      // mixture the slices there would not know.
      const ends = begin + to === this.#windowTo && this.#windowTo < this.#schedule.steps;
      const rows = ends ? to : to + 1;
      // The first state that is not final takes the plain step, which makes it exact; mixing would not.
      const plain = correctFrom + 1 - begin;
      this.#history.take(block.deltas(rows - from), buffer.states(from, rows), from, rows, plain);
      if (this.#mixing?.fit === "own") this.#mix(buffer);
    }
  }

  /** Mixes the states corrected last. @param before Gram sums of the states before the slice */
  #mix(buffer: SliceBuffer, before?: readonly number[]): void {
    const { block, firstState } = buffer;
    const taken = this.#history?.taken;
    if (!taken || taken.to === taken.from) return;
    const { from, to } = taken;
    this.#history?.mix(buffer.states(from, to), before);
    block.fillRiders(firstState + from, firstState + to);
  }

  /** One past the slice's last step that was inside the window of the last evaluations. */
  #windowEnd(): number {
    return Math.min(Math.max(this.#windowTo - this.#spec.begin, 0), this.#steps);
  }

  /** States beyond `to`, which no residual is known of, follow it: delta_{r+1} = J_r delta_r. The exit row holds z_to as it was. */
  #follow(buffer: SliceBuffer, to: number): void {
    const { block, exit, firstState } = buffer;
    block.combine([whole(firstState + to), whole(exit, -1)], exit);
    for (let r = to; r < this.#steps; r++) {
      const state = firstState + r + 1;
      block.combine([whole(state), { row: exit, ...transferOf(this.#jacobians.values, to, r + 1) }], state);
    }
  }

  /** Mean squares of the residuals of steps [from, to); with the secant method also their new Jacobians. */
  #measure(buffer: SliceBuffer, from: number, to: number, { round, evaluateFrom }: RoundCommand): number[] {
    const { block } = buffer;
    const { begin } = this.#spec;
    const sums = block.measure(this.#stepRows(buffer, from, to), from);
    const size = stateSize(block.kernels.space);
    const residuals = sums.map(
      (on) => (on.range.squares * this.#factors.range + on.null.squares * this.#factors.null) / size,
    );
    const exact = evaluateFrom - begin;
    refuseBrokenNetwork(residuals, buffer, from, exact, { ...this.#where(begin), when: `round ${round}` });
    // Steps that were outside the window have nothing to be compared with.
    if (this.#jacobians.learn && this.#moved)
      this.#jacobians.update(from, sums.slice(0, Math.max(0, this.#windowEnd() - from)));
    return residuals;
  }

  /** s: the correction of the exit state if the entry state had none. */
  #exit(buffer: SliceBuffer, from: number, to: number): Float32Array {
    const { block, exit } = buffer;
    if (!this.#ahead) {
      const beyond = transferOf(this.#jacobians.values, to);
      block.combine(compositionTerms(this.#stepRows(buffer, from, to), beyond), exit);
    }
    return block.rows(exit, exit + 1).values;
  }
}
