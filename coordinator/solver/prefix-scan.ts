/**
 * The coordinator's part of the scan: corrections of the boundary states, slice by slice,
 *
 *     delta_q = D_{p:q} delta_p + s_{p:q}
 *
 * D being one scalar on the range and one on the null space of A.
 */
import type { StepJacobian } from "../../shared/chain/jacobian.js";
import { loadStateKernels, type StateKernels } from "../../shared/kernels/state-kernels.js";
import { riderSize, type StateSpace, stateSize } from "../../shared/kernels/state-space.js";

/** Spaces whose kernels are kept: pictures of one dataset mostly share one. */
const keptSpaces = 4;

/** Runs the scan in ONNX Runtime; one serves all chains. */
export class PrefixScan {
  /** In order of last use. */
  readonly #kernels = new Map<StateSpace, Promise<StateKernels>>();

  #kernelsOf(space: StateSpace): Promise<StateKernels> {
    const loading = this.#kernels.get(space) ?? loadStateKernels(space, { threads: 1 });
    this.#kernels.delete(space);
    this.#kernels.set(space, loading);
    loading.catch(() => this.#kernels.delete(space));
    const [oldest] = this.#kernels.keys();
    if (this.#kernels.size > keptSpaces) this.#kernels.delete(oldest);
    return loading;
  }

  /**
   * Correction of a slice's exit state.
   * @param entry correction of its entry state; undefined for none
   * @param s what the slice reported
   */
  async advance(
    entry: Float32Array | undefined,
    s: Float32Array,
    transfer: StepJacobian,
    space: StateSpace,
  ): Promise<Float32Array> {
    if (!entry) return s;
    const kernels = await this.#kernelsOf(space);
    const size = stateSize(space);
    const rows = { values: new Float32Array(2 * size), dims: [2, size] };
    rows.values.set(entry);
    rows.values.set(s, size);
    const inputs = {
      rows,
      null: { values: Float32Array.of(transfer.null, 1), dims: [1, 2] },
      rangeMinusNull: { values: Float32Array.of(transfer.range - transfer.null, 0), dims: [1, 2] },
    };
    const exit = new Float32Array(size);
    const out = { values: exit, dims: [1, size] };
    if (!kernels.riders) {
      await kernels.combine.run(inputs, { out });
      return exit;
    }
    const count = riderSize(space);
    const riders = { values: new Float32Array(2 * count), dims: [2, count] };
    await kernels.riders.run({ state: rows }, { riders });
    await kernels.combine.run({ ...inputs, riders }, { out });
    return exit;
  }

  /** Frees the native sessions. */
  async release(): Promise<void> {
    for (const kernels of this.#kernels.values()) await (await kernels).release();
  }
}
