/** Slices of an operator that its settings alone do not describe: DeqIR's blur with the sort order of a record. */
import type { Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";
import { RowPool } from "../shared/kernels/row-pool.js";
import { loadStateKernels, type StateKernels } from "../shared/kernels/state-kernels.js";
import type { DegradationOperator } from "../shared/operators/operator.js";
import { EngineSlice } from "../worker/engine/engine-slice.js";
import type { NoiseEstimator } from "../worker/engine/network.js";

/** Opens every slice with the operator it was made for, whatever the chain's task says. */
export class GivenOperatorHost implements SliceHost {
  readonly width: number;
  readonly #kernels: StateKernels;
  readonly #network: NoiseEstimator;
  readonly #pool = new RowPool(1);

  private constructor(kernels: StateKernels, network: NoiseEstimator, width: number) {
    this.#kernels = kernels;
    this.#network = network;
    this.width = width;
  }

  static async load(
    operator: DegradationOperator,
    network: NoiseEstimator,
    width: number,
  ): Promise<GivenOperatorHost> {
    const kernels = await loadStateKernels(operator, { threads: 1 });
    return new GivenOperatorHost(kernels, network, width);
  }

  async open(spec: SliceSpec): Promise<Slice> {
    return new EngineSlice(spec, this.#network, this.#kernels, this.#pool);
  }

  /** Frees the native sessions. */
  async release(): Promise<void> {
    await this.#kernels.release();
  }
}
