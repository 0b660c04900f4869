/**
 * A chain's steps made one after the other: z_{i+1} = f_i(z_i), the plain serial chain. Whoever drives it evaluates the
 * network; the chain says for which state and at which timestep, and makes the step of what comes back.
 *
 * It holds the rows of one step only, whatever T is.
 */
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import { type NoiseSchedule, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import type { RowPool } from "../../shared/kernels/row-pool.js";
import type { StateKernels } from "../../shared/kernels/state-kernels.js";
import type { PictureSize } from "../../shared/operators/task.js";
import { refuseNonFinite } from "./non-finite.js";
import { stepTerms, stepWeights } from "./round-algebra.js";
import { SliceBuffer } from "./slice-buffer.js";
import { writeOffsets, writeStartingStates } from "./starting-states.js";

/** A combination of one step does not ask for its derivative. */
const noJacobian = { range: 0, null: 0 };

/** One call at a time. */
export class SerialChain {
  readonly #spec: SliceSpec;
  readonly #schedule: NoiseSchedule;
  readonly #buffer: SliceBuffer;
  /** The next step. */
  #step: number;

  private constructor(spec: SliceSpec, schedule: NoiseSchedule, buffer: SliceBuffer) {
    this.#spec = spec;
    this.#schedule = schedule;
    this.#buffer = buffer;
    this.#step = spec.begin;
  }

  /**
   * Begins the chain at the entry state of its slice.
   * @param pool where it takes its memory from, and gives it back to when closed
   * @throws PictureError if there is not enough memory
   */
  static async begin(spec: SliceSpec, kernels: StateKernels, pool: RowPool): Promise<SerialChain> {
    const { begin, chain } = spec;
    const offsets = chain.weights.nw === 0 ? 1 : 2;
    const buffer = new SliceBuffer(pool, kernels, 1, offsets, undefined);
    try {
      await writeStartingStates({ ...spec, end: begin }, buffer);
      await writeOffsets({ ...spec, end: begin + 1 }, buffer);
    } catch (error) {
      buffer.close();
      throw error;
    }
    return new SerialChain(spec, noiseSchedule(chain.schedule), buffer);
  }

  /** Size of its states. */
  get canvas(): PictureSize {
    return this.#spec.chain.canvas;
  }

  /** Where the next step has to be evaluated, 0..999. */
  get timestep(): number {
    return this.#schedule.timesteps[this.#step];
  }

  /** Steps made. */
  get steps(): number {
    return this.#step - this.#spec.begin;
  }

  /** Whether the exit state is reached. */
  get ended(): boolean {
    return this.#step === this.#spec.end;
  }

  /** The state, as a picture [3, H, W]. Valid until the next step. */
  async state(): Promise<Float32Array> {
    const { block, firstState } = this.#buffer;
    return (await block.pictures(firstState, firstState + 1)).values;
  }

  /** Where {@link advance} expects the noise estimate of the state, [3, H, W]. */
  get noise(): Float32Array {
    return this.#buffer.noise(0, 1).values;
  }

  /**
   * Makes the step, in place.
   * @throws PictureError if the new state is not finite
   */
  async advance(): Promise<void> {
    const { block, firstState, firstNoise, offsets } = this.#buffer;
    const step = this.#step;
    const { chain, begin } = this.#spec;
    // A^+ y stays; fresh noise is another one in every step.
    if (offsets > 1 && step > begin)
      await writeOffsets({ ...this.#spec, begin: step, end: step + 1 }, this.#buffer);
    await block.fromPictures(firstNoise, firstNoise + 1);
    const algebra = { schedule: this.#schedule, weights: chain.weights };
    const steps = this.#buffer.stepRows(0, [stepWeights(algebra, step, noJacobian)]);
    block.combine(stepTerms(steps, 0), firstState);
    const { values } = this.#buffer.states(0, 1);
    let sum = 0;
    // A loop: reduce with a function takes 20 times as long.
    for (let i = 0; i < values.length; i++) sum += values[i];
    refuseNonFinite([sum], this.#buffer, 0, {
      pictureId: chain.pictureId,
      timesteps: [this.timestep],
      when: `step ${this.steps + 1}`,
    });
    this.#step++;
  }

  /** Frees the memory; the chain must not be used any more. */
  close(): void {
    this.#buffer.close();
  }
}
