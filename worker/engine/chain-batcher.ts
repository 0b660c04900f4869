/**
 * Continuous batching: whole chains that run side by side share their network calls, each at its own timestep. Chains
 * enter and leave between calls; nobody waits for anybody's end.
 *
 * Invariants:
 * 1. A call holds states of one size, within the limits. Sizes take turns, so that a large picture does not wait for
 *    the end of many small ones, nor they for its own. Of one size the chains that came first run first. Where a change of
 *    size is dear, a turn lasts until the chains that it began with have ended.
 * 2. What fails in one chain (numbers that are not finite) ends that chain alone. A call that fails as a whole is made
 *    again state by state.
 * 3. Between two calls the event loop turns, so that other work of this thread is done meanwhile.
 *
 * A chain's bytes are those it has alone if the network gives a state the same bytes in every batch, as ONNX Runtime
 * does on a CPU; where the arithmetic of a provider depends on the batch, they agree to rounding.
 */
import { setImmediate as turn } from "node:timers/promises";
import { type BatchLimits, batchLimits, picturesPerCall } from "../../shared/chain/batch-limits.js";
import type { SerialReport } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { NoiseEstimator } from "./network.js";
import type { SerialChain } from "./serial-chain.js";

/** Seconds since an arbitrary moment. */
const now = (): number => performance.now() / 1000;

/** A chain that is being run. */
interface Member {
  readonly chain: SerialChain;
  readonly joined: number;
  readonly resolve: (report: SerialReport) => void;
  readonly reject: (error: unknown) => void;
  network: number;
  kernels: number;
  /** Whoever waited for it has an answer: it leaves before the next call. */
  ended: boolean;
}

/** Runs chains to their end, many at once. */
export class ChainBatcher {
  readonly #network: NoiseEstimator;
  readonly #limits: BatchLimits;
  /** By picture size; the size served last is last. In a queue, in the order in which they came. */
  readonly #queues = new Map<string, Member[]>();
  /** The size that was served last, and the chains that its turn began with. */
  #turn: { readonly size: string; readonly cohort: readonly Member[] } = { size: "", cohort: [] };
  #running = false;
  /** Where states and noise estimates of several chains lie together. */
  #states = new Float32Array();
  #noise = new Float32Array();

  constructor(network: NoiseEstimator, limits: BatchLimits = batchLimits(null)) {
    this.#network = network;
    this.#limits = limits;
  }

  /**
   * Runs a chain to its end and closes it.
   * @param joined when the work on it began, in seconds of `performance.now()`
   * @throws PictureError if its numbers are not finite, RetryableError if it was dropped
   */
  run(chain: SerialChain, joined = now()): Promise<SerialReport> {
    const { height, width } = chain.canvas;
    const size = `${height}x${width}`;
    return new Promise((resolve, reject) => {
      const member = { chain, joined, resolve, reject, network: 0, kernels: 0, ended: false };
      const queue = this.#queues.get(size);
      if (queue) queue.push(member);
      else this.#queues.set(size, [member]);
      if (!this.#running) void this.#runAll();
    });
  }

  /** Gives a chain up before its end, at the latest after the call under way. One that is not running is left alone. */
  drop(chain: SerialChain): void {
    for (const queue of this.#queues.values()) {
      const member = queue.find((candidate) => candidate.chain === chain);
      if (!member) continue;
      member.ended = true;
      member.reject(new RetryableError("the slice was closed in mid-chain"));
    }
  }

  /** Makes calls as long as there are chains. Never throws. */
  async #runAll(): Promise<void> {
    this.#running = true;
    for (;;) {
      await turn();
      const call = this.#nextCall();
      if (!call) break;
      await this.#evaluate(call);
      for (const member of call) await this.#advance(member);
    }
    this.#running = false;
  }

  /** The chains of the next call; undefined if there are none left. */
  #nextCall(): readonly Member[] | undefined {
    const holds = this.#network.prefersOneSize === true && this.#turn.cohort.some(({ ended }) => !ended);
    const held = holds ? this.#queues.get(this.#turn.size) : undefined;
    const turns = held ? [[this.#turn.size, held] as const, ...this.#queues] : this.#queues;
    for (const [size, queue] of turns) {
      this.#queues.delete(size);
      const living = queue.filter((member) => !this.#leaves(member));
      if (living.length === 0) continue;
      this.#queues.set(size, living);
      const call = living.slice(0, picturesPerCall(this.#limits, living[0].chain.canvas));
      if (queue !== held) this.#turn = { size, cohort: call };
      return call;
    }
    return undefined;
  }

  /** Frees the memory of a chain that is wanted no more. */
  #leaves({ chain, ended }: Member): boolean {
    if (ended) chain.close();
    return ended;
  }

  /** Fills in the noise estimates of all chains of a call. */
  async #evaluate(call: readonly Member[]): Promise<void> {
    if (call.length > 1) {
      try {
        await this.#evaluateTogether(call);
        return;
      } catch {
        // Too large for the memory, or one of the states is to blame: alone, each shows which.
      }
    }
    for (const member of call) {
      const { chain } = member;
      try {
        const x = await chain.state();
        const started = now();
        await this.#network.evaluate(x, [chain.timestep], chain.canvas, chain.noise);
        member.network += now() - started;
      } catch (error) {
        this.#fail(member, error);
      }
    }
  }

  async #evaluateTogether(call: readonly Member[]): Promise<void> {
    const [{ chain }] = call;
    const { height, width } = chain.canvas;
    const size = 3 * height * width;
    if (this.#states.length < call.length * size) {
      this.#states = new Float32Array(call.length * size);
      this.#noise = new Float32Array(call.length * size);
    }
    const x = this.#states.subarray(0, call.length * size);
    const eps = this.#noise.subarray(0, call.length * size);
    for (const [i, member] of call.entries()) x.set(await member.chain.state(), i * size);
    const timesteps = call.map((member) => member.chain.timestep);
    const started = now();
    await this.#network.evaluate(x, timesteps, chain.canvas, eps);
    const seconds = now() - started;
    for (const [i, member] of call.entries()) {
      member.chain.noise.set(eps.subarray(i * size, (i + 1) * size));
      member.network += seconds;
    }
  }

  /** Makes the step of one chain; at its end, answers whoever waits. */
  async #advance(member: Member): Promise<void> {
    if (member.ended) return;
    const { chain } = member;
    const started = now();
    try {
      await chain.advance();
      const exit = chain.ended ? (await chain.state()).slice() : undefined;
      member.kernels += now() - started;
      if (!exit) return;
      const { network, kernels, joined } = member;
      const seconds = { network, kernels, total: now() - joined };
      member.resolve({ exit, evaluations: chain.steps, seconds });
      member.ended = true;
    } catch (error) {
      this.#fail(member, error);
    }
  }

  #fail(member: Member, error: unknown): void {
    member.reject(error);
    member.ended = true;
  }
}
