/**
 * Tensors on the wire: raw little-endian values with dtype, shape and checksum, the first megabyte in the message
 * itself, the rest in chunks behind it. See proto/deqfleet/v1/tensor.proto.
 */
import { endianness } from "node:os";
import { crc32 } from "node:zlib";
import { FatalError, RetryableError } from "../errors.js";
import type { MessageSource } from "./frame-stream.js";
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

/** Announces float32 values that follow on the slice's socket. */
export const tensorBehind = (values: Float32Array): Tensor => ({
  dtype: "DTYPE_FLOAT32",
  shape: [values.length],
  crc32: crc32(Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
  behind: true,
});

const numbersOf = ({ shape }: Tensor__Output): number => shape.reduce((a, b) => a * b, 1);

/** Where an announced tensor lies, if it lies in the slice's lane. */
export const laneOf = (tensor: Tensor__Output): { lane: number; length: number } | undefined =>
  tensor.lane === 0 ? undefined : { lane: tensor.lane, length: numbersOf(tensor) };

/**
 * Compares a tensor's announced length with the one that its receiver knows.
 * @param due how many numbers it must have
 * @throws RetryableError if it has more or fewer, naming both
 */
export function checkNumbers(tensor: Tensor__Output, due: number): void {
  const found = numbersOf(tensor);
  if (found !== due) throw new RetryableError(`a tensor of ${found} numbers came where ${due} were due`);
}

const elementBytes = { DTYPE_FLOAT32: 4, DTYPE_UINT8: 1, DTYPE_UNSPECIFIED: 0 } as const;

/**
 * Largest tensor taken from a peer: a 16-megapixel state with its range part, with room to spare. Steps that move in one tensor above it
 * cost their giver, or their taker, its slice.
 */
const largestTensorBytes = 1024 ** 3;

/**
 * Collects a tensor into memory of its own (received bytes are views of a message, rarely aligned to four).
 * @param nextChunk resolves to the next chunk of the stream
 * @param due how many numbers it must have; undefined: any, and memory is made as they arrive, whatever the header says
 * @throws RetryableError if it has others, or the bytes do not match the header
 */
async function collect(
  first: Tensor__Output,
  nextChunk: () => Promise<Chunk__Output>,
  due: number | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  if (due !== undefined) checkNumbers(first, due);
  const length = numbersOf(first) * elementBytes[first.dtype];
  if (length > largestTensorBytes) {
    throw new RetryableError(
      `a tensor of shape [${first.shape.join(", ")}] (${length} bytes) was announced; refused`,
    );
  }
  let bytes = new Uint8Array(due === undefined ? Math.min(length, chunkBytes) : length);
  let at = 0;
  for (let data = first.data; ; data = (await nextChunk()).data) {
    if (at + data.length > length || (data.length === 0 && at < length)) {
      throw new RetryableError(`a tensor of ${length} bytes arrived with ${at + data.length} bytes`);
    }
    const end = at + data.length;
    if (end > bytes.length) {
      const grown = new Uint8Array(Math.min(length, Math.max(end, 2 * bytes.length)));
      grown.set(bytes.subarray(0, at));
      bytes = grown;
    }
    bytes.set(data, at);
    at = end;
    if (at === length) break;
  }
  checkSum(bytes, first);
  return bytes;
}

function checkSum(bytes: Uint8Array, { crc32: expected }: Tensor__Output): void {
  const found = crc32(bytes);
  if (found !== expected) {
    throw new RetryableError(`a tensor arrived damaged: checksum ${found}, expected ${expected}`);
  }
}

/**
 * Decodes float32 values.
 * @param due how many there must be; left out: any number
 * @throws RetryableError if there are more or fewer, or they do not match the header
 */
export async function decodeFloat32(
  first: Tensor__Output,
  nextChunk: () => Promise<Chunk__Output>,
  due?: number,
): Promise<Float32Array> {
  if (first.dtype !== "DTYPE_FLOAT32")
    throw new RetryableError(`expected a float32 tensor, got ${first.dtype}`);
  return new Float32Array((await collect(first, nextChunk, due)).buffer);
}

/**
 * Takes float32 values from wherever their message came: behind it as they are, valid until the next come, or in chunks.
 * @param due how many there must be; left out: any number
 * @throws RetryableError if there are more or fewer, or they do not match the header
 */
export async function receiveFloat32(
  tensor: Tensor__Output,
  { nextChunk, nextTensor }: Pick<MessageSource<unknown>, "nextChunk" | "nextTensor">,
  due?: number,
): Promise<Float32Array> {
  if (!tensor.behind) return decodeFloat32(tensor, nextChunk, due);
  if (!nextTensor) throw new RetryableError("a tensor was announced behind a message of a stream");
  if (due !== undefined) checkNumbers(tensor, due);
  const bytes = await nextTensor();
  if (tensor.dtype !== "DTYPE_FLOAT32" || bytes.length !== 4 * numbersOf(tensor)) {
    throw new RetryableError(
      `a ${tensor.dtype} tensor of shape [${tensor.shape.join(", ")}] came with ${bytes.length} bytes`,
    );
  }
  checkSum(bytes, tensor);
  return new Float32Array(bytes.buffer, 0, bytes.length / 4);
}

/**
 * Decodes bytes.
 * @param due how many there must be; left out: any number
 * @throws RetryableError if there are more or fewer, or they do not match the header
 */
export async function decodeUint8(
  first: Tensor__Output,
  nextChunk: () => Promise<Chunk__Output>,
  due?: number,
): Promise<Uint8Array> {
  if (first.dtype !== "DTYPE_UINT8") throw new RetryableError(`expected a uint8 tensor, got ${first.dtype}`);
  return collect(first, nextChunk, due);
}
