/** A host whose slices are lost when the test says so. */
import type {
  MovedSteps,
  Recut,
  RoundCommand,
  RoundReport,
  SerialReport,
  Slice,
  SliceHost,
  SliceSpec,
  StepRun,
} from "../shared/chain/slice-host.js";
import { RetryableError } from "../shared/errors.js";

/**
 * A slice and the round in which it is lost; `finish` is after the correction that follows the last round, `give` and `recut` are the
 * first time that it is asked for steps, or is given some.
 */
export interface Loss {
  readonly slice: number;
  readonly round: number | "finish" | "give" | "recut";
  /** It answers the round, and is lost then. */
  readonly answers?: boolean | undefined;
  /** Lost by a command that corrects and evaluates nothing, of which only triangular mixing sends any before the last round. */
  readonly correcting?: boolean | undefined;
}

const lost = () => new RetryableError("the slice was lost");

class LossySlice implements Slice {
  readonly #inner: Slice;
  readonly #loss: Loss | undefined;
  readonly #steps: number;
  #corrects = false;
  #gone = false;

  constructor(inner: Slice, loss: Loss | undefined, steps: number) {
    this.#inner = inner;
    this.#loss = loss;
    this.#steps = steps;
  }

  async round(command: RoundCommand, signal: AbortSignal): Promise<RoundReport> {
    this.#corrects = command.evaluateFrom >= this.#steps;
    const { round, correcting = false, answers = false } = this.#loss ?? {};
    const due = this.#corrects === correcting;
    const dies = due && typeof round === "number" && command.round >= round;
    if (this.#gone || (dies && !answers)) {
      this.#gone = true;
      throw lost();
    }
    const report = await this.#inner.round(command, signal);
    this.#gone = dies;
    return report;
  }

  async serial(signal: AbortSignal): Promise<SerialReport> {
    return this.#inner.serial(signal);
  }

  async readState(which: "entry" | "exit", signal: AbortSignal): Promise<Float32Array> {
    if (this.#loss?.round === "finish") this.#gone ||= this.#corrects;
    if (this.#gone) throw lost();
    return this.#inner.readState(which, signal);
  }

  async give(run: StepRun, signal: AbortSignal): Promise<MovedSteps> {
    this.#gone ||= this.#loss?.round === "give";
    if (this.#gone) throw lost();
    return this.#inner.give(run, signal);
  }

  async recut(range: Recut, signal: AbortSignal): Promise<void> {
    this.#gone ||= this.#loss?.round === "recut";
    if (this.#gone) throw lost();
    return this.#inner.recut(range, signal);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }
}

/**
 * Opens slices on another host. The first slice opened under an index is lost in the first round (or a later one, if it
 * rests then) that `losses` names for the index, its replacement in the second, and so on.
 */
export class LossyHost implements SliceHost {
  readonly width: number;
  /** Slices opened, replacements included. */
  opened = 0;
  readonly #inner: SliceHost;
  readonly #losses: Map<number, Loss[]>;

  constructor(inner: SliceHost, losses: readonly Loss[]) {
    this.#inner = inner;
    this.width = inner.width;
    this.#losses = new Map();
    for (const loss of losses) {
      this.#losses.set(loss.slice, [...(this.#losses.get(loss.slice) ?? []), loss]);
    }
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    this.opened++;
    const slice = await this.#inner.open(spec, index, signal);
    return new LossySlice(slice, this.#losses.get(index)?.shift(), spec.chain.schedule.steps);
  }
}
