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
import { DeqfleetError, RetryableError } from "../../shared/errors.js";
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

const lacksMemory = (error: unknown): boolean => outOfMemory.test(DeqfleetError.messageOf(error));

/** Milliseconds for which a lack of memory counts: it may have been somebody else's need. */
const forgetMilliseconds = 600_000;

/** What the network is made of. */
export interface FixedBatchParts {
  /** Makes a session; called once at the start and once for every further batch size. */
  readonly open: () => Promise<SessionNetwork>;
  /** Told once why no further sessions can be made: calls are cut to the batches that there are. */
  readonly onTrouble: (reason: string) => void;
  /** Milliseconds of a clock that never goes back; default: this process's. */
  readonly now?: () => number;
}

/** Evaluates batches of any size by calls of 1, 2, 4, ... 32 states. */
export class FixedBatchNetwork implements NoiseEstimator {
  readonly card: NetworkCard;
  readonly prefersOneSize = true;
  readonly #largestBatch: number;
  readonly #open: () => Promise<SessionNetwork>;
  /** By states a call, the one not used for longest first. */
  readonly #rungs = new Map<number, Rung>();
  /** States that a call had when memory did not suffice for it, other sessions given up, by size, and until when that counts. */
  readonly #tooMany = new Map<string, { readonly states: number; readonly until: number }>();
  readonly #onTrouble: (reason: string) => void;
  readonly #now: () => number;
  /** Whether no further session can be made: those that are there have to do. */
  #closed = false;
  /** Calls one after the other: they share the device, and the memory of what is filled up. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    first: SessionNetwork,
    { open, onTrouble, now = () => performance.now() }: FixedBatchParts,
  ) {
    this.#open = open;
    this.#onTrouble = onTrouble;
    this.#now = now;
    this.card = first.card;
    this.#largestBatch = first.largestBatch;
    this.#rungs.set(1, { network: first, planned: "" });
  }

  /** @throws whatever `open` throws the first time */
  static async over(parts: FixedBatchParts): Promise<FixedBatchNetwork> {
    return new FixedBatchNetwork(await parts.open(), parts);
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
    for (let from = first; from < end; ) {
      const to = Math.min(end, from + this.#mostStates(size));
      const states = this.#rungFor(to - from);
      const perform = async () => call((await this.#planned(states, size)).network, states, [from, to]);
      const closed = this.#closed;
      try {
        await this.#withRoom(states, perform);
        from = to;
      } catch (error) {
        // The session that it was to have cannot be made: others have to do.
        if (this.#closed && !closed && this.#rungs.size > 0) continue;
        if (!lacksMemory(error)) throw error;
        if (states === 1) {
          throw new RetryableError(
            `the device's memory does not suffice for one state of ${sizeName(size)} (${DeqfleetError.messageOf(error)})`,
            { cause: error },
          );
        }
        this.#tooMany.set(sizeName(size), { states, until: this.#now() + forgetMilliseconds });
      }
    }
  }

  /** Does what needs the device's memory; again, if it does not suffice, with all other sessions given up: they keep what they have once used. */
  async #withRoom(states: number, perform: () => Promise<void>): Promise<void> {
    try {
      await perform();
    } catch (error) {
      if (!lacksMemory(error)) throw error;
      await this.#releaseAllBut(states);
      await perform();
    }
  }

  /** States of the call that so many are filled up to: the next power of two, or what there is a session for. */
  #rungFor(states: number): number {
    if (!this.#closed) return 2 ** Math.ceil(Math.log2(states));
    return Math.min(...[...this.#rungs.keys()].filter((rung) => rung >= states));
  }

  /** A power of two: a call that is filled up must not be larger than what is allowed. */
  #mostStates(size: PictureSize): number {
    const name = sizeName(size);
    const known = this.#tooMany.get(name);
    if (known && known.until <= this.#now()) this.#tooMany.delete(name);
    const allowed = Math.min(
      largestRung,
      this.#largestBatch,
      gpuCallPixels / (size.height * size.width),
      (this.#tooMany.get(name)?.states ?? Number.POSITIVE_INFINITY) / 2,
      this.#closed ? Math.max(...this.#rungs.keys()) : largestRung,
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
    const times = new Array<number>(states).fill(0);
    await rung.network.evaluate(new Float32Array(numbers), times, size, new Float32Array(numbers));
    rung.planned = name;
    return rung;
  }

  async #rung(states: number): Promise<Rung> {
    const known = this.#rungs.get(states) ?? this.#unplanned();
    for (const [key, rung] of this.#rungs) if (rung === known) this.#rungs.delete(key);
    const rung = known ?? { network: await this.#opened(), planned: "" };
    this.#rungs.set(states, rung);
    return rung;
  }

  /** The session made at the start serves whichever batch comes first. */
  #unplanned(): Rung | undefined {
    return [...this.#rungs.values()].find(({ planned }) => planned === "");
  }

  async #opened(): Promise<SessionNetwork> {
    try {
      const network = await this.#open();
      // A model that is replaced while workers use it would mix two priors in one picture.
      if (network.card.hash === this.card.hash) return network;
      await network.release();
      throw new RetryableError("the model's file is another than when it was loaded");
    } catch (error) {
      if (lacksMemory(error) || this.#rungs.size === 0) throw error;
      this.#closed = true;
      this.#onTrouble(DeqfleetError.messageOf(error));
      throw error;
    }
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
