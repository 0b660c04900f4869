/** The states a slice starts from, and the part of its steps that no state changes. */
import { methods } from "../../shared/chain/method.js";
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import { initialStateStream, normalDeviates, stepStream } from "../../shared/diffusion/addressable-noise.js";
import { noiseLevel, noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import type { SliceBuffer } from "./slice-buffer.js";

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
 * Writes states begin..end. A fresh slice starts from z_0 or from q-samples of A^+ y; a re-seeded one from its boundary
 * states.
 * @param from states before this one, of the chain, are left as they are
 */
export async function writeStartingStates(spec: SliceSpec, buffer: SliceBuffer, from = 0): Promise<void> {
  const { chain, begin, end, seeds } = spec;
  const schedule = noiseSchedule(chain.schedule);
  const signal = (state: number) => Math.sqrt(schedule.signal[state]);
  const angle = (state: number) => Math.atan2(noiseLevel(schedule, state), signal(state));
  const initial = chain.initialState ?? noiseTensor(spec, initialStateStream);
  const fromNoise = methods[chain.method].start === "noise";
  /** Pictures with their weights in a state. */
  const mixture = (state: number): [number, Float32Array][] => {
    if (state === 0) return [[1, initial]];
    const entry = seeds?.entry ?? initial;
    // Without an entry the slice is the chain's first, which enters with z_0.
    if (seeds?.exit) {
      const on = arcWeights({ entry: angle(begin), exit: angle(end), state: angle(state) });
      return [
        [on.entry, entry],
        [on.exit, seeds.exit],
      ];
    }
    if (seeds?.entry) {
      // No state beyond: hold A^+ y as the predicted picture and let the entry's noise decay.
      const decay = noiseLevel(schedule, state) / noiseLevel(schedule, begin);
      return [
        [signal(state) - decay * signal(begin), chain.pseudoInverse],
        [decay, entry],
      ];
    }
    if (fromNoise) return [[1, initial]];
    return [
      [noiseLevel(schedule, state), initial],
      [signal(state), chain.pseudoInverse],
    ];
  };
  // The two pictures of a mixture pass through two rows that nothing uses yet.
  const { block, entry, exit, firstState } = buffer;
  const places = [entry, exit];
  const written = new Map<number, Float32Array>();
  for (let state = Math.max(begin, from); state <= end; state++) {
    const terms = [];
    for (const [k, [weight, picture]] of mixture(state).entries()) {
      const row = places[k];
      if (written.get(row) !== picture) {
        block.rows(row, row + 1).values.set(picture);
        await block.fromPictures(row, row + 1);
        written.set(row, picture);
      }
      terms.push({ row, range: weight, null: weight });
    }
    block.combine(terms, firstState + state - begin);
  }
}

/** Writes A^+ y and, with fresh noise, n_i for the slice's steps. */
export async function writeOffsets(spec: SliceSpec, buffer: SliceBuffer): Promise<void> {
  const { chain, begin } = spec;
  const { block, firstOffset, offsets, steps } = buffer;
  block.rows(firstOffset, firstOffset + 1).values.set(chain.pseudoInverse);
  for (let r = 0; r < steps; r++) {
    const row = buffer.freshNoise(r);
    if (row !== undefined) block.rows(row, row + 1).values.set(noiseTensor(spec, stepStream(begin + r)));
  }
  await block.fromPictures(firstOffset, firstOffset + offsets);
}
