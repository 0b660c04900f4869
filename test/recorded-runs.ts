/** Tensors recorded from DeqIR's own code, and the layouts in which it keeps measurements. */
import { readFileSync } from "node:fs";
import { packageRoot } from "../shared/package-root.js";
import { decodeSafetensors, type Safetensors } from "../shared/safetensors.js";

/** A file of recorded tensors. */
export const recordedTensors = (
  name: "deqir-operators-64.safetensors" | "deqir-runs-64.safetensors",
): Safetensors =>
  decodeSafetensors(new Uint8Array(readFileSync(new URL(`test/fixtures/${name}`, packageRoot))), name);

/** [position, channel] to [channel, position], three channels. */
export function channelMajor(interleaved: Float32Array): Float32Array {
  const positions = interleaved.length / 3;
  return interleaved.map((_, i) => interleaved[(i % positions) * 3 + Math.floor(i / positions)]!);
}

/**
 * The reference's inpainting measurement, only the kept pixels as [pixel, channel], on the full grid [3, H, W].
 * @param kept [H * W], 1 where kept
 */
export function onGrid(compact: Float32Array, kept: Uint8Array): Float32Array {
  const area = kept.length;
  const grid = new Float32Array(3 * area);
  let next = 0;
  for (let p = 0; p < area; p++) {
    if (kept[p] === 0) continue;
    for (let c = 0; c < 3; c++) grid[c * area + p] = compact[next++]!;
  }
  if (next !== compact.length) {
    throw new Error(`the mask keeps ${next} values, the measurement has ${compact.length}`);
  }
  return grid;
}
