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
 * A slice and the round in which it is lost; `finish` is the correction after the last round, `give` and `recut` are the first time
 * that it is asked for steps, or is given some.
 */
export interface Loss {
  readonly slice: number;
  readonly round: number | "finish" | "give" | "recut";
}

const lost = () => new RetryableError("the slice was lost");

class LossySlice implements Slice {
  readonly #inner: Slice;
  readonly #lostIn: Loss["round"] | undefined;
  readonly #steps: number;
  #gone = false;

  constructor(inner: Slice, lostIn: Loss["round"] | undefined, steps: number) {
    this.#inner = inner;
    this.#lostIn = lostIn;
    this.#steps = steps;
  }

  async round(command: RoundCommand, signal: AbortSignal): Promise<RoundReport> {
    const finishing = command.evaluateFrom >= this.#steps;
    if (this.#lostIn === "finish") this.#gone ||= finishing;
    else if (!finishing) this.#gone ||= typeof this.#lostIn === "number" && command.round >= this.#lostIn;
    if (this.#gone) throw lost();
    return this.#inner.round(command, signal);
  }

  async serial(signal: AbortSignal): Promise<SerialReport> {
    return this.#inner.serial(signal);
  }

  async readState(which: "entry" | "exit", signal: AbortSignal): Promise<Float32Array> {
    if (this.#gone) throw lost();
    return this.#inner.readState(which, signal);
  }

  async give(run: StepRun, signal: AbortSignal): Promise<MovedSteps> {
    this.#gone ||= this.#lostIn === "give";
    if (this.#gone) throw lost();
    return this.#inner.give(run, signal);
  }

  async recut(range: Recut, signal: AbortSignal): Promise<void> {
    this.#gone ||= this.#lostIn === "recut";
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
  readonly #losses: Map<number, Loss["round"][]>;

  constructor(inner: SliceHost, losses: readonly Loss[]) {
    this.#inner = inner;
    this.width = inner.width;
    this.#losses = new Map();
    for (const { slice, round } of losses) {
      this.#losses.set(slice, [...(this.#losses.get(slice) ?? []), round]);
    }
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    this.opened++;
    const slice = await this.#inner.open(spec, index, signal);
    return new LossySlice(slice, this.#losses.get(index)?.shift(), spec.chain.schedule.steps);
  }
}
