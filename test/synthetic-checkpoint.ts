/**
 * Checkpoints of any architecture and size, with seeded random values: what the importer does with large files can be seen
 * without large downloads. Values are scaled so that a network's outputs stay finite; they restore nothing.
 */
import type { Architecture } from "../shared/unet/architecture.js";
import type { ExpectedTensor } from "../shared/unet/network-tensors.js";
import { expectedTensors } from "../shared/unet/write-network.js";
import { type TorchTensor, type TorchZipOptions, writeTorchZip } from "./torch-files.js";

/** Uniform values in [-1, 1) by Marsaglia's xorshift32: a billion must not take minutes. */
function uniform(seed: number): (chunk: Float32Array, centre: number, radius: number) => void {
  // Zero is the one state xorshift never leaves.
  let state = Math.imul(seed + 1, 0x9e3779b1) | 0 || 1;
  return (chunk, centre, radius) => {
    for (let i = 0; i < chunk.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      chunk[i] = centre + radius * (state / 2 ** 31);
    }
  };
}

/**
 * Weights of matrices and convolutions have the variance 1 / fan-in, which keeps features' sizes; norms scale by about 1;
 * biases are small.
 */
function rangeOf({ name, shape }: ExpectedTensor): { centre: number; radius: number } {
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
  if (shape.length > 1) return { centre: 0, radius: Math.sqrt(3 / fanIn) };
  return { centre: name.endsWith(".weight") ? 1 : 0, radius: 0.05 };
}

/** The tensors of an architecture, with values that are made when they are written. */
export function syntheticTensors(architecture: Architecture, seed = 0): TorchTensor[] {
  return expectedTensors(architecture).map((expected, index) => {
    const next = uniform(seed * 65_536 + index);
    const { centre, radius } = rangeOf(expected);
    return { ...expected, dtype: "float32", fill: (chunk) => next(chunk, centre, radius) };
  });
}

/** Writes a state dict as torch.save would. Memory does not grow with its size. */
export async function writeSyntheticCheckpoint(
  path: string,
  architecture: Architecture,
  options: TorchZipOptions & { readonly seed?: number } = {},
): Promise<void> {
  await writeTorchZip(path, syntheticTensors(architecture, options.seed), options);
}
