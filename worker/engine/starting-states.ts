/** The states a slice starts from, and the part of its steps that no state changes. */
import { methods } from "../../shared/chain/method.js";
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import { initialStateStream, normalDeviates, stepStream } from "../../shared/diffusion/addressable-noise.js";
import { noiseLevel, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import type { StateKernels } from "../../shared/kernels/state-kernels.js";
import { stateSize } from "../../shared/kernels/state-space.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { matrix, rowsOf } from "./slice-buffer.js";

/** Pictures as rows of states. */
async function statesOf(kernels: StateKernels, pictures: readonly Float32Array[]): Promise<Array32> {
  const { space, toState } = kernels;
  const size = stateSize(space);
  const { height, width } = space.picture;
  const rows = rowsOf(new Float32Array(pictures.length * size), size, 0, pictures.length);
  for (const [row, values] of pictures.entries()) {
    const state = rowsOf(rows.values, size, row, row + 1);
    if (toState) await toState.run({ x: { values, dims: [1, 3, height, width] } }, { state });
    else state.values.set(values);
  }
  return rows;
}

const noiseTensor = (spec: SliceSpec, stream: number): Float32Array => {
  const { seed, pictureId, canvas } = spec.chain;
  return normalDeviates({ seed, pictureId, stream }, 3 * canvas.height * canvas.width);
};

/**
 * Coefficients (entry, exit) that carry an interior state between two boundary states z_p and z_q. On the arc
 * (sqrt(abar), sigma) = (cos a, sin a), z = cos(a) x + sin(a) e with fixed x and e interpolates along the great circle.
 */
export function arcWeights(angles: { entry: number; exit: number; state: number }): {
  entry: number;
  exit: number;
} {
  const span = Math.sin(angles.entry - angles.exit);
  if (Math.abs(span) < 1e-9) return { entry: 1, exit: 0 };
  return {
    entry: Math.sin(angles.state - angles.exit) / span,
    exit: Math.sin(angles.entry - angles.state) / span,
  };
}

/**
 * States begin..end. A fresh slice starts from z_0 or from q-samples of A^+ y; a re-seeded one from its boundary states.
 */
export async function startingStates(spec: SliceSpec, kernels: StateKernels): Promise<Float32Array> {
  const { chain, begin, end, seeds } = spec;
  const schedule = noiseSchedule(chain.schedule);
  const signal = (state: number) => Math.sqrt(schedule.signal[state]);
  const angle = (state: number) => Math.atan2(noiseLevel(schedule, state), signal(state));
  const initial = chain.initialState ?? noiseTensor(spec, initialStateStream);
  // Rows of `basis`: z_0, A^+ y, entry, exit.
  const pictures = [initial, chain.pseudoInverse, seeds?.entry ?? initial, seeds?.exit ?? initial];
  const basis = await statesOf(kernels, pictures);
  const fromNoise = methods[chain.method].start === "noise";

  const coefficients = (state: number): [number, number, number, number] => {
    if (state === 0) return [1, 0, 0, 0];
    // Without an entry the slice is the chain's first, which enters with z_0.
    if (seeds?.exit) {
      const { entry, exit } = arcWeights({ entry: angle(begin), exit: angle(end), state: angle(state) });
      return [0, 0, entry, exit];
    }
    if (seeds?.entry) {
      // No state beyond: hold A^+ y as the predicted picture and let the entry's noise decay.
      const decay = noiseLevel(schedule, state) / noiseLevel(schedule, begin);
      return [0, signal(state) - decay * signal(begin), decay, 0];
    }
    if (fromNoise) return [1, 0, 0, 0];
    return [noiseLevel(schedule, state), signal(state), 0, 0];
  };

  const rows = end - begin + 1;
  const size = stateSize(kernels.space);
  const states = rowsOf(new Float32Array(rows * size), size, 0, rows);
  const weights = matrix(rows, 4, (r, column) => coefficients(begin + r)[column]);
  await kernels.mix.run({ coefficients: weights, rows: basis }, { out: states });
  return states.values;
}

/** States of A^+ y and, with fresh noise, of n_i for the slice's steps. */
export async function stepOffsets(spec: SliceSpec, kernels: StateKernels): Promise<Float32Array> {
  const { chain, begin, end } = spec;
  const noise =
    chain.weights.nw === 0
      ? []
      : Array.from({ length: end - begin }, (_, r) => noiseTensor(spec, stepStream(begin + r)));
  return (await statesOf(kernels, [chain.pseudoInverse, ...noise])).values;
}
