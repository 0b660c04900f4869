/**
 * What the kernels have to know of one operator and picture size, made once and shared by all chains that use it: masks,
 * sampled positions, and the sessions of those products that are dense matrices. The rows themselves, and the passes over
 * them, are {@link StateRows}.
 */
import type { Kernel, SessionLimits } from "../onnx/session.js";
import { type PartSample, partSamples } from "./sampling.js";
import { analysis, synthesis } from "./separable-graphs.js";
import { type Part, rangeMask, type StateSpace, spectralBasis } from "./state-space.js";

/** The kernels of a state space. */
export interface StateKernels {
  readonly space: StateSpace;
  /** What of each part is measured; undefined where everything is, in place. */
  readonly samples: Readonly<Record<Part, PartSample>> | undefined;
  /** ~0 where a number belongs to the range, 0 elsewhere; undefined where P is no mask. */
  readonly mask: Uint32Array | undefined;
  /**
   * u = V^T x and x = V u, [n, ..] to [n, ..], where V is square and made of two matrices; undefined where it is not, or where a
   * fast transform takes their place.
   */
  readonly matrices: { readonly analysis: Kernel; readonly synthesis: Kernel } | undefined;
  release(): Promise<void>;
}

/** Prepares the kernels of a space. */
export async function loadStateKernels(space: StateSpace, limits: SessionLimits): Promise<StateKernels> {
  const kept = rangeMask(space);
  const basis = spectralBasis(space);
  const matrices =
    basis && !basis.fast
      ? {
          analysis: await analysis(space, basis, limits),
          synthesis: await synthesis(space, basis, limits),
        }
      : undefined;
  return {
    space,
    samples: partSamples(space),
    mask: kept && Uint32Array.from(kept, (k) => (k === 0 ? 0 : 0xffffffff)),
    matrices,
    release: async () => {
      await matrices?.analysis.release();
      await matrices?.synthesis.release();
    },
  };
}
