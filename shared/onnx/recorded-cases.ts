/**
 * Recorded inputs and outputs of a network, as `deqfleet model verify` takes them.
 *
 * Layout of the safetensors file: every case is three tensors whose names share an ending (which may be empty):
 * - `x<ending>` float32 [N, C, H, W]: noisy pictures in [-1, 1];
 * - `t<ending>` float32 or int64 [N]: times, 0 to 999;
 * - `eps<ending>`, `out<ending>` or `output<ending>` float32 [N, K, H, W] with K >= C: the noise estimate; networks that also learn
 *   a variance record more channels, of which the first C count.
 * Examples: `x`, `t`, `out`; `x_2x64x64`, `t_2x64x64`, `eps_2x64x64`.
 */
import { readFile } from "node:fs/promises";
import { DeqfleetError, InputError } from "../errors.js";
import { decodeSafetensors, float32Tensor, type Safetensors } from "../safetensors.js";

/** One recorded evaluation. */
export interface RecordedCase {
  /** The ending of its names, without a leading underscore; "" when there is none. */
  readonly name: string;
  /** [N, C, H, W]. */
  readonly dims: readonly [number, number, number, number];
  readonly x: Float32Array;
  /** One time per picture. */
  readonly t: readonly number[];
  /** The noise estimate, [N, C, H, W]. */
  readonly eps: Float32Array;
}

const outputNames = ["eps", "out", "output"] as const;

function times(file: Safetensors, name: string, source: string): number[] {
  const entry = file.tensors.get(name);
  if (entry?.dtype !== "I64") return [...float32Tensor(file, name, source)];
  return Array.from(new BigInt64Array(entry.bytes.buffer, 0, entry.bytes.byteLength / 8), Number);
}

/** The first `channels` of every picture's `recorded` channels. */
function firstChannels(
  values: Float32Array,
  recorded: number,
  channels: number,
  pixels: number,
): Float32Array {
  if (recorded === channels) return values;
  const pictures = values.length / (recorded * pixels);
  const kept = new Float32Array(pictures * channels * pixels);
  for (let at = 0; at < pictures; at++) {
    const from = at * recorded * pixels;
    kept.set(values.subarray(from, from + channels * pixels), at * channels * pixels);
  }
  return kept;
}

function recordedCase(file: Safetensors, ending: string, source: string): RecordedCase {
  const found = outputNames.find((name) => file.tensors.has(name + ending));
  if (found === undefined) {
    throw new InputError(
      `${source}: x${ending} has no output beside it; record it as eps${ending}, out${ending} or output${ending}`,
    );
  }
  const x = float32Tensor(file, `x${ending}`, source);
  const t = times(file, `t${ending}`, source);
  const eps = float32Tensor(file, found + ending, source);
  const shape = file.tensors.get(`x${ending}`)?.shape ?? [];
  const outShape = file.tensors.get(found + ending)?.shape ?? [];
  const [pictures, channels, height, width] = shape;
  const fits =
    shape.length === 4 &&
    t.length === pictures &&
    outShape.length === 4 &&
    outShape[1] >= channels &&
    outShape[0] === pictures &&
    outShape[2] === height &&
    outShape[3] === width;
  if (!fits) {
    throw new InputError(
      `${source}: x${ending} [${shape.join(", ")}], ${t.length} times and ${found}${ending} [${outShape.join(", ")}] do not belong together; x is [N, C, H, W], the output has as many pictures of that size`,
    );
  }
  return {
    name: ending.replace(/^_/, ""),
    dims: [pictures, channels, height, width],
    x,
    t,
    eps: firstChannels(eps, outShape[1], channels, height * width),
  };
}

/**
 * Reads the recorded cases of a file, in the order of their names in it.
 * @throws InputError if the file cannot be read, holds no case, or a case is incomplete
 */
export async function readRecordedCases(path: string): Promise<RecordedCase[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new InputError(`${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
  const file = decodeSafetensors(bytes, path);
  const endings = [...file.tensors.keys()]
    .filter((name) => name === "x" || name.startsWith("x_"))
    .map((name) => name.slice(1));
  if (endings.length === 0) {
    throw new InputError(
      `${path}: no recorded case: expected tensors x, t and eps (or out), has ${[...file.tensors.keys()].join(", ")}`,
    );
  }
  return endings.map((ending) => recordedCase(file, ending, path));
}
