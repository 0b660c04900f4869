/**
 * Tensors on the wire: raw little-endian values with dtype, shape and checksum, the first megabyte in the message
 * itself, the rest in chunks behind it. See proto/deqfleet/v1/tensor.proto.
 */
import { endianness } from "node:os";
import { crc32 } from "node:zlib";
import { FatalError, RetryableError } from "../errors.js";
import type { Chunk, Chunk__Output } from "./generated/deqfleet/v1/Chunk.js";
import type { Tensor, Tensor__Output } from "./generated/deqfleet/v1/Tensor.js";

/** Bytes of one message. */
const chunkBytes = 1024 * 1024;

if (endianness() !== "LE") {
  throw new FatalError("deqfleet needs a little-endian machine: its tensors are sent as they lie in memory");
}

/** A tensor's first message and the chunks that follow it. */
export interface EncodedTensor {
  readonly tensor: Tensor;
  readonly chunks: readonly Chunk[];
}

/**
 * Encodes without copying: the messages hold views of `values`, which must not change until they are sent.
 * @param shape its product must be the number of values
 */
export function encodeTensor(values: Float32Array | Uint8Array, shape: readonly number[]): EncodedTensor {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const chunks: Chunk[] = [];
  for (let from = chunkBytes; from < bytes.length; from += chunkBytes) {
    chunks.push({ data: bytes.subarray(from, from + chunkBytes) });
  }
  const dtype = values instanceof Float32Array ? "DTYPE_FLOAT32" : "DTYPE_UINT8";
  return {
    tensor: { dtype, shape: [...shape], crc32: crc32(bytes), data: bytes.subarray(0, chunkBytes) },
    chunks,
  };
}

/** Announces float32 values that lie in the slice's lane. */
export const tensorInLane = (lane: number, length: number): Tensor => ({
  dtype: "DTYPE_FLOAT32",
  shape: [length],
  lane,
});

/** Where an announced tensor lies, if it lies in the slice's lane. */
export const laneOf = ({ lane, shape }: Tensor__Output): { lane: number; length: number } | undefined =>
  lane === 0 ? undefined : { lane, length: shape.reduce((a, b) => a * b, 1) };

const elementBytes = { DTYPE_FLOAT32: 4, DTYPE_UINT8: 1, DTYPE_UNSPECIFIED: 0 } as const;

/** Largest tensor taken from a peer: a 16-megapixel state with its range part, with room to spare. */
const largestTensorBytes = 1024 ** 3;

/**
 * Collects a tensor into memory of its own (received bytes are views of a message, rarely aligned to four).
 * @param nextChunk resolves to the next chunk of the stream
 * @throws RetryableError if the bytes do not match the header
 */
async function collect(
  first: Tensor__Output,
  nextChunk: () => Promise<Chunk__Output>,
): Promise<Uint8Array<ArrayBuffer>> {
  const length = first.shape.reduce((a, b) => a * b, elementBytes[first.dtype]);
  if (length > largestTensorBytes) {
    throw new RetryableError(
      `a tensor of shape [${first.shape.join(", ")}] (${length} bytes) was announced; refused`,
    );
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let data = first.data; ; data = (await nextChunk()).data) {
    if (at + data.length > length || (data.length === 0 && at < length)) {
      throw new RetryableError(`a tensor of ${length} bytes arrived with ${at + data.length} bytes`);
    }
    bytes.set(data, at);
    at += data.length;
    if (at === length) break;
  }
  const found = crc32(bytes);
  if (found !== first.crc32) {
    throw new RetryableError(`a tensor arrived damaged: checksum ${found}, expected ${first.crc32}`);
  }
  return bytes;
}

/** Decodes float32 values. @throws RetryableError if they do not match the header */
export async function decodeFloat32(
  first: Tensor__Output,
  nextChunk: () => Promise<Chunk__Output>,
): Promise<Float32Array> {
  if (first.dtype !== "DTYPE_FLOAT32")
    throw new RetryableError(`expected a float32 tensor, got ${first.dtype}`);
  return new Float32Array((await collect(first, nextChunk)).buffer);
}

/** Decodes bytes. @throws RetryableError if they do not match the header */
export async function decodeUint8(
  first: Tensor__Output,
  nextChunk: () => Promise<Chunk__Output>,
): Promise<Uint8Array> {
  if (first.dtype !== "DTYPE_UINT8") throw new RetryableError(`expected a uint8 tensor, got ${first.dtype}`);
  return collect(first, nextChunk);
}
