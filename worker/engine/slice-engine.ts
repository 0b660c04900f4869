/** Opens slices over one network, keeping the kernels of the operators in use. */
import { createHash } from "node:crypto";
import { type BatchLimits, batchLimits } from "../../shared/chain/batch-limits.js";
import type { ChainSpec, SerialReport, SliceSpec } from "../../shared/chain/slice-host.js";
import { RowPool } from "../../shared/kernels/row-pool.js";
import { loadStateKernels, type StateKernels } from "../../shared/kernels/state-kernels.js";
import type { SessionLimits } from "../../shared/onnx/session.js";
import { createOperator } from "../../shared/operators/task.js";
import { ChainBatcher } from "./chain-batcher.js";
import { EngineSlice } from "./engine-slice.js";
import type { NoiseEstimator } from "./network.js";
import { SerialChain } from "./serial-chain.js";
import { checkTensors } from "./tensor-lengths.js";

/** Operators whose kernels are kept: pictures of one dataset mostly share one. */
const keptOperators = 4;

/** Blocks of rows kept for the next pictures, beside those of a full network call. */
const keptBlocks = 2;

/** One per network session. Slices it opened may be used side by side, one call at a time each; serial ones are batched. */
export class SliceEngine {
  readonly network: NoiseEstimator;
  readonly #limits: SessionLimits;
  readonly #batcher: ChainBatcher;
  readonly #pool: RowPool;
  /** In order of last use. */
  readonly #operators = new Map<string, Promise<StateKernels>>();

  /** @param batch limits of the network calls that serial chains share */
  constructor(network: NoiseEstimator, limits: SessionLimits, batch: BatchLimits = batchLimits(null)) {
    this.network = network;
    this.#limits = limits;
    this.#batcher = new ChainBatcher(network, batch);
    this.#pool = new RowPool(batch.pictures + keptBlocks);
  }

  /**
   * @throws InputError if the task or a tensor does not fit the canvas
   */
  async open(spec: SliceSpec): Promise<EngineSlice> {
    checkTensors(spec);
    return new EngineSlice(spec, this.network, await this.#operator(spec), this.#pool, this.#batcher);
  }

  /**
   * Runs a chain from its start to its end, beside others.
   * @param signal takes it out of the batch
   * @throws InputError if the task or a tensor does not fit the canvas, PictureError if its numbers are not finite,
   *   RetryableError if it was taken out
   */
  async solve(chain: ChainSpec, signal: AbortSignal): Promise<SerialReport> {
    const started = performance.now() / 1000;
    const spec = { chain, begin: 0, end: chain.schedule.steps, seeds: undefined };
    checkTensors(spec);
    const serial = await SerialChain.begin(spec, await this.#operator(spec), this.#pool);
    const running = this.#batcher.run(serial, started);
    const drop = () => this.#batcher.drop(serial);
    if (signal.aborted) drop();
    signal.addEventListener("abort", drop, { once: true });
    try {
      return await running;
    } finally {
      signal.removeEventListener("abort", drop);
    }
  }

  #operator(spec: SliceSpec): Promise<StateKernels> {
    const { task, canvas, mask } = spec.chain;
    const maskHash = mask ? createHash("sha256").update(mask).digest("hex") : "";
    const key = JSON.stringify([task, canvas, maskHash]);
    const loading = this.#operators.get(key) ?? this.#load(spec);
    this.#operators.delete(key);
    this.#operators.set(key, loading);
    loading.catch(() => this.#operators.delete(key));
    // Kernels in use by an open slice stay alive through it; the map only forgets them.
    if (this.#operators.size > keptOperators) {
      const [oldest] = this.#operators.keys();
      this.#operators.delete(oldest);
    }
    return loading;
  }

  async #load(spec: SliceSpec): Promise<StateKernels> {
    const { task, canvas, mask } = spec.chain;
    const operator = createOperator(task, canvas, mask ? { mask: { ...canvas, kept: mask } } : {});
    return loadStateKernels(operator, this.#limits);
  }
}
