/** Opens slices over one network, keeping the kernels of the operators in use. */
import { createHash } from "node:crypto";
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import { loadStateKernels, type StateKernels } from "../../shared/kernels/state-kernels.js";
import type { SessionLimits } from "../../shared/onnx/session.js";
import { createOperator } from "../../shared/operators/task.js";
import { EngineSlice } from "./engine-slice.js";
import type { NoiseEstimator } from "./network.js";

/** Operators whose kernels are kept: pictures of one dataset mostly share one. */
const keptOperators = 4;

/** One per network session. Slices it opened may be used side by side, one call at a time each. */
export class SliceEngine {
  readonly network: NoiseEstimator;
  readonly #limits: SessionLimits;
  /** In order of last use. */
  readonly #operators = new Map<string, Promise<StateKernels>>();

  constructor(network: NoiseEstimator, limits: SessionLimits) {
    this.network = network;
    this.#limits = limits;
  }

  /**
   * @throws InputError if the task does not fit the canvas
   */
  async open(spec: SliceSpec): Promise<EngineSlice> {
    return EngineSlice.open(spec, this.network, await this.#operator(spec));
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
