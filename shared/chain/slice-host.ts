/**
 * What the solver needs of whatever evaluates its slices. An in-process object (tests, benchmarks) and the gRPC client of
 * a worker both implement it; the solver cannot tell them apart.
 *
 * Invariants of a slice [begin, end) of steps:
 * 1. It holds the states begin..end: the states its steps start from, and a copy of the state its last step makes.
 * 2. Both copies of a boundary state receive the same corrections, so they stay equal up to rounding and to the
 *    residuals of states that were called final. Between an evaluation that corrects ahead and the next command the copy at the exit is
 *    ahead of the other; it is read as it was.
 * 3. Rounds arrive in order; a slice that failed is never used again.
 * 4. Between the correction of a round and its evaluation, its range may change: states move to and from its neighbours.
 */

import type { ScheduleSettings } from "../diffusion/noise-schedule.js";
import type { NoiseWeights } from "../diffusion/step.js";
import type { PictureSize, TaskSettings } from "../operators/task.js";
import type { StepJacobian } from "./jacobian.js";
import type { MethodName } from "./method.js";

/** A picture's chain: everything a worker must know to compute any part of it. */
export interface ChainSpec {
  readonly pictureId: string;
  /** 0 .. 2^53 - 1. */
  readonly seed: number;
  readonly schedule: ScheduleSettings;
  readonly weights: NoiseWeights;
  readonly method: MethodName;
  readonly task: TaskSettings;
  /** Size the chain runs at: the picture's, padded to what the network and the operator permit. */
  readonly canvas: { readonly height: number; readonly width: number };
  /** The inpainting mask on the canvas, [H * W], 1 where kept. */
  readonly mask: Uint8Array | undefined;
  /** A^+ y on the canvas, [3, H, W]. */
  readonly pseudoInverse: Float32Array;
  /**
   * z_0, [3, H, W], given instead of generated from the seed: to repeat a recorded run. Understood in this process only,
   * it does not go over the wire.
   */
  readonly initialState?: Float32Array | undefined;
}

/** A slice of a chain, with the states to start from where it replaces a lost one. */
export interface SliceSpec {
  readonly chain: ChainSpec;
  /** First step. */
  readonly begin: number;
  /** One past the last step. */
  readonly end: number;
  /** Pictures [3, H, W] of the boundary states, when the slice is re-seeded. */
  readonly seeds:
    | { readonly entry: Float32Array | undefined; readonly exit: Float32Array | undefined }
    | undefined;
}

/** One round for one slice: correct the states with what the last round found, then evaluate. */
export interface RoundCommand {
  /** 1 for the first round of the chain. */
  readonly round: number;
  /** States up to this one are final: they change no more than rounding does. Undefined before the slice's first evaluation: there is nothing to correct. */
  readonly correctFrom: number | undefined;
  /** Steps [evaluateFrom, evaluateTo) are evaluated, as far as they are the slice's. States beyond follow the last one made. */
  readonly evaluateFrom: number;
  readonly evaluateTo: number;
  /** Correction of the entry state, in the operator's state space; undefined: none. */
  readonly correction: Float32Array | undefined;
  /**
   * Mix the states corrected last before anything else: Gram sums of the states before the slice, as reports have them. For methods
   * whose mixing is triangular; undefined: mix nothing.
   */
  readonly gram: readonly number[] | undefined;
  /** Forget the mixing history: the states it speaks of were re-seeded somewhere. */
  readonly forget: boolean;
  /** Go on by plain iteration: mix nothing, and hold the noise estimate from this round's evaluations on. Never taken back. */
  readonly plain: boolean;
  /** Instead of the correction: the state behind `correctFrom` is made anew, those beyond go back to their starting values. */
  readonly restart: boolean;
  /**
   * Correct the states by what this evaluation finds at once, while they lie in the cache, as if the entry state had no correction;
   * the next command's correction adds what that of the entry state makes of it. Only where that command will come with
   * one: not for an evaluation that is made without the other slices. A slice that mixes, or that the window ends in, waits.
   */
  readonly correctAhead: boolean;
}

/** Seconds a worker spent on a round. */
export interface EngineSeconds {
  readonly network: number;
  /** All but the network, and but the starting states, which a slice makes in its first round. */
  readonly kernels: number;
  readonly total: number;
}

/** What a slice found in a round. */
export interface RoundReport {
  /** Mean squares of f_i(z_i) - z_{i+1}, for the steps evaluated, up to the slice's end. Not finite where states overflowed. */
  readonly residuals: readonly number[];
  /** D: how the correction of the entry state passes through the slice. */
  readonly transfer: StepJacobian;
  /**
   * s: correction of the exit state for an uncorrected entry state. Undefined if nothing was evaluated: it is zero then. Memory of the
   * slice's own, valid until it is called again.
   */
  readonly exit: Float32Array | undefined;
  /**
   * After a correction, where mixing is triangular: <G_j, G_k> of the last m rounds' corrections G, newest first, summed over the
   * states that the slice's steps make, [m, m] row-major. Else empty.
   */
  readonly gram: readonly number[];
  readonly evaluations: number;
  readonly seconds: EngineSeconds;
}

/** A run of steps [begin, end) that moves from one slice to another. */
export interface StepRun {
  readonly begin: number;
  readonly end: number;
  /** Whether z_begin moves along: not where the other slice holds it as a boundary state already. */
  readonly entry: boolean;
  /** The same for z_end. */
  readonly exit: boolean;
}

/** What a run of steps consists of: states, and what the next round's secants are taken against. */
export interface MovedSteps extends StepRun {
  /** J of each step. */
  readonly jacobians: readonly StepJacobian[];
  /** The states, then for each step the numbers kept of the last round. */
  readonly numbers: Float32Array;
}

/** A slice's new range. */
export interface Recut {
  readonly begin: number;
  readonly end: number;
  /** Steps before this one were evaluated in the last round: the end of its window. */
  readonly evaluatedTo: number;
  /** Runs that, with what the slice holds, make up the new range. */
  readonly taken: readonly MovedSteps[];
}

/** Result of running a slice's steps one after the other. */
export interface SerialReport {
  /** Picture of the exit state, [3, H, W]. */
  readonly exit: Float32Array;
  readonly evaluations: number;
  readonly seconds: EngineSeconds;
}

/** An open slice. Every method throws RetryableError if the slice was lost, PictureError if its numbers are not finite. */
export interface Slice {
  round(command: RoundCommand, signal: AbortSignal): Promise<RoundReport>;
  /** Runs the steps one after the other from the entry state: the serial chain. */
  serial(signal: AbortSignal): Promise<SerialReport>;
  /** Picture of a boundary state, [3, H, W]. */
  readState(which: "entry" | "exit", signal: AbortSignal): Promise<Float32Array>;
  /**
   * A copy of some of its steps, corrected and not evaluated since: to be called after a round that evaluated nothing. The slice
   * goes on holding them.
   */
  give(run: StepRun, signal: AbortSignal): Promise<MovedSteps>;
  /** Changes the slice's range; steps that are no longer its own are forgotten. At the same moment as {@link Slice.give}. */
  recut(range: Recut, signal: AbortSignal): Promise<void>;
  /** Frees the slice's memory; never throws. */
  close(): Promise<void>;
}

/** Who has a chain's workers next. */
export interface NextChain {
  /** Whether it is waiting for them. */
  waits(): boolean;
  /** The chain needs this worker no more, though it may still open slices there if others are lost. */
  readonly leave: (worker: number) => void;
}

/** Where slices are opened. */
export interface SliceHost {
  /** How many slices can work side by side. */
  readonly width: number;
  /** The chain that comes after this one; undefined: there never is one. */
  readonly next?: NextChain | undefined;
  /**
   * Seconds that the evaluation of one state takes a worker, as far as is known. Only the ratios of workers count.
   * Left out: nothing is known of any.
   */
  pace?(worker: number, canvas: PictureSize): number | undefined;
  /** Opens a slice of a chain on worker `index`. */
  open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice>;
}
