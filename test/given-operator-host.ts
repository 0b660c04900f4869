/** Slices of an operator that its settings alone do not describe: DeqIR's blur with the sort order of a record. */
import type { Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";
import { loadSliceKernels, type SliceKernels } from "../shared/kernels/slice-kernels.js";
import { splitLayout } from "../shared/kernels/split-basis.js";
import type { DegradationOperator } from "../shared/operators/operator.js";
import { EngineSlice } from "../worker/engine/engine-slice.js";
import type { NoiseEstimator } from "../worker/engine/network.js";

/** Opens every slice with the operator it was made for, whatever the chain's task says. */
export class GivenOperatorHost implements SliceHost {
  readonly width: number;
  readonly #operator: DegradationOperator;
  readonly #kernels: SliceKernels;
  readonly #network: NoiseEstimator;

  private constructor(
    operator: DegradationOperator,
    kernels: SliceKernels,
    network: NoiseEstimator,
    width: number,
  ) {
    this.#operator = operator;
    this.#kernels = kernels;
    this.#network = network;
    this.width = width;
  }

  static async load(
    operator: DegradationOperator,
    network: NoiseEstimator,
    width: number,
  ): Promise<GivenOperatorHost> {
    const kernels = await loadSliceKernels(operator.basis, operator.picture, { threads: 1 });
    return new GivenOperatorHost(operator, kernels, network, width);
  }

  open(spec: SliceSpec): Promise<Slice> {
    const { basis, picture } = this.#operator;
    return EngineSlice.open(spec, this.#network, this.#kernels, splitLayout(basis, picture));
  }

  /** Frees the native sessions. */
  async release(): Promise<void> {
    await this.#kernels.release();
  }
}
