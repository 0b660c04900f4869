/**
 * A network on a GPU, called with few batch sizes, each on a session of its own.
 *
 * ONNX Runtime's CUDA provider plans every convolution anew whenever its input has another shape than at the last call, and keeps only
 * the last plan: half a second to a second a change with a U-Net, a hundred times the call itself. Slices and batches of chains change their
 * size all the time. So a call is filled up to the next power of two, by its last state again, and every power has its session, which sees
 * no other shape while pictures are of one size.
 */
import { gpuCallPixels } from "../../shared/chain/batch-limits.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import { DeqfleetError, FatalError } from "../../shared/errors.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { NoiseEstimator } from "./network.js";

/** A network of one session, which can be given up. */
export interface SessionNetwork extends NoiseEstimator {
  /** States of a call that the graph permits. */
  readonly largestBatch: number;
  release(): Promise<void>;
}

/** States from the first on up to, but not including, the second. */
type Range = readonly [from: number, to: number];

/** Evaluates a range of states by one call of `rung` states. */
type Call = (network: NoiseEstimator, rung: number, range: Range) => Promise<void>;

/** States of the largest call. */
const largestRung = 32;

/** A session, and the size that its plans are for. */
interface Rung {
  readonly network: SessionNetwork;
  planned: string;
}

/** What the provider says when the device's memory does not suffice. */
const outOfMemory = /out of memory|failed to allocate|allocation failed|_ALLOC_FAILED|cudaMalloc/i;

const rungFor = (states: number): number => Math.min(largestRung, 2 ** Math.ceil(Math.log2(states)));

/** Evaluates batches of any size by calls of 1, 2, 4, ... 32 states. */
export class FixedBatchNetwork implements NoiseEstimator {
  readonly card: NetworkCard;
  readonly #largestBatch: number;
  readonly #open: () => Promise<SessionNetwork>;
  /** By states a call, the one not used for longest first. */
  readonly #rungs = new Map<number, Rung>();
  /** States that a call had when memory did not suffice for it alone, by size. */
  readonly #tooMany = new Map<string, number>();
  /** Calls one after the other: they share the device, and the memory of what is filled up. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(open: () => Promise<SessionNetwork>, first: SessionNetwork) {
    this.#open = open;
    this.card = first.card;
    this.#largestBatch = first.largestBatch;
    this.#rungs.set(1, { network: first, planned: "" });
  }

  /**
   * @param open makes a session; called once now and once for every further batch size
   * @throws whatever `open` throws
   */
  static async over(open: () => Promise<SessionNetwork>): Promise<FixedBatchNetwork> {
    return new FixedBatchNetwork(open, await open());
  }

  /** Makes the sessions and plans for calls of `states` states, so that the calls themselves take their usual time. */
  prepare(states: number, size: PictureSize): Promise<void> {
    return this.#inTurn(() => this.#perform([0, states], size, async () => {}));
  }

  evaluate(
    x: Float32Array,
    timesteps: readonly number[],
    size: PictureSize,
    out: Float32Array,
  ): Promise<void> {
    const numbers = 3 * size.height * size.width;
    const call = async (network: NoiseEstimator, rung: number, [from, to]: Range) => {
      const view = (all: Float32Array) => all.subarray(from * numbers, to * numbers);
      const times = timesteps.slice(from, to);
      if (to - from === rung) return network.evaluate(view(x), times, size, view(out));
      const filled = new Float32Array(rung * numbers);
      filled.set(view(x));
      for (let i = to - from; i < rung; i++)
        filled.set(x.subarray((to - 1) * numbers, to * numbers), i * numbers);
      const last = times.at(-1)!;
      const estimates = new Float32Array(rung * numbers);
      await network.evaluate(
        filled,
        Array.from({ length: rung }, (_, i) => times[i] ?? last),
        size,
        estimates,
      );
      view(out).set(estimates.subarray(0, (to - from) * numbers));
    };
    return this.#inTurn(() => this.#perform([0, timesteps.length], size, call));
  }

  /** Frees the sessions. */
  async release(): Promise<void> {
    await this.#inTurn(() => this.#releaseAllBut(undefined));
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Cuts a range into calls; one that the device's memory does not suffice for is cut again. */
  async #perform([first, end]: Range, size: PictureSize, call: Call): Promise<void> {
    let most = this.#mostStates(size);
    for (let from = first; from < end; ) {
      const to = Math.min(end, from + most);
      const states = rungFor(to - from);
      try {
        const { network } = await this.#planned(states, size);
        await call(network, states, [from, to]);
        from = to;
      } catch (error) {
        if (states === 1 || !outOfMemory.test(DeqfleetError.messageOf(error))) throw error;
        this.#tooMany.set(sizeName(size), states);
        most = this.#mostStates(size);
      }
    }
  }

  /** A power of two: a call that is filled up must not be larger than what is allowed. */
  #mostStates(size: PictureSize): number {
    const known = this.#tooMany.get(sizeName(size)) ?? Number.POSITIVE_INFINITY;
    const allowed = Math.min(
      largestRung,
      this.#largestBatch,
      gpuCallPixels / (size.height * size.width),
      known / 2,
    );
    return 2 ** Math.floor(Math.log2(Math.max(1, allowed)));
  }

  /** The session of a rung, with plans for a size: a call of zeros makes them. */
  async #planned(states: number, size: PictureSize): Promise<Rung> {
    const rung = await this.#rung(states);
    const name = sizeName(size);
    if (rung.planned === name) return rung;
    rung.planned = "";
    const numbers = 3 * states * size.height * size.width;
    const plan = () =>
      rung.network.evaluate(
        new Float32Array(numbers),
        new Array<number>(states).fill(0),
        size,
        new Float32Array(numbers),
      );
    try {
      await plan();
    } catch (error) {
      if (!outOfMemory.test(DeqfleetError.messageOf(error))) throw error;
      // Sessions keep the memory that they have once used.
      await this.#releaseAllBut(states);
      await plan();
    }
    rung.planned = name;
    return rung;
  }

  async #rung(states: number): Promise<Rung> {
    const known = this.#rungs.get(states) ?? this.#unplanned();
    for (const [key, rung] of this.#rungs) if (rung === known) this.#rungs.delete(key);
    const rung = known ?? { network: await this.#opened(states), planned: "" };
    this.#rungs.set(states, rung);
    return rung;
  }

  /** The session made at the start serves whichever batch comes first. */
  #unplanned(): Rung | undefined {
    return [...this.#rungs.values()].find(({ planned }) => planned === "");
  }

  async #opened(states: number): Promise<SessionNetwork> {
    let network: SessionNetwork;
    try {
      network = await this.#open();
    } catch (error) {
      if (!outOfMemory.test(DeqfleetError.messageOf(error))) throw error;
      await this.#releaseAllBut(undefined);
      network = await this.#open();
    }
    // A model that is replaced while workers use it would mix two priors in one picture.
    if (network.card.hash === this.card.hash) return network;
    await network.release();
    throw new FatalError(
      `the model changed since it was loaded (a session for ${states} states was to be made of it)`,
    );
  }

  async #releaseAllBut(states: number | undefined): Promise<void> {
    for (const [key, { network }] of this.#rungs) {
      if (key === states) continue;
      this.#rungs.delete(key);
      await network.release();
    }
  }
}

const sizeName = ({ height, width }: PictureSize): string => `${height}x${width}`;
