import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededValues } from "../../test/seeded-values.js";
import { RetryableError } from "../errors.js";
import type { Chunk, Chunk__Output } from "./generated/deqfleet/v1/Chunk.js";
import type { Tensor__Output } from "./generated/deqfleet/v1/Tensor.js";
import { protocolDefinition } from "./protocol.js";
import { decodeFloat32, decodeUint8, type EncodedTensor, encodeTensor } from "./tensor-codec.js";

const megabyte = 1024 * 1024;

/** The message as it arrives: bytes are a view into a larger buffer, at whatever offset the header ended. */
function received(bytes: Uint8Array | undefined, offset: number): Buffer {
  const message = Buffer.alloc(offset + (bytes?.length ?? 0) + 3, 0xaa);
  message.set(bytes ?? [], offset);
  return message.subarray(offset, offset + (bytes?.length ?? 0));
}

function arrive(
  { tensor, chunks }: EncodedTensor,
  offset = 5,
): [Tensor__Output, () => Promise<Chunk__Output>] {
  const first: Tensor__Output = {
    dtype: tensor.dtype === "DTYPE_UINT8" ? "DTYPE_UINT8" : "DTYPE_FLOAT32",
    shape: [...(tensor.shape ?? [])],
    crc32: tensor.crc32 ?? 0,
    lane: 0,
    behind: false,
    data: received(tensor.data as Uint8Array, offset),
  };
  const rest = [...chunks];
  const next = async () => {
    const chunk = rest.shift();
    if (!chunk) throw new RetryableError("the stream ended");
    return { data: received(chunk.data as Uint8Array, offset) };
  };
  return [first, next];
}

const bytesOf = (values: Float32Array | Uint8Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 5000 }),
  // Around the borders of one, two and three chunks of float32.
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: -2, max: 2 }))
    .map(([k, d]) => (k * megabyte) / 4 + d),
);

describe("float32 tensors", () => {
  it("come back bit for bit, whatever their size, values and place in memory", async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 0, max: 7 }),
        fc.integer({ min: 0, max: 1e6 }),
        async (size, offset, seed) => {
          const memory = seededValues(size + 3, seed);
          const values = memory.subarray(seed % 4, (seed % 4) + size);
          const encoded = encodeTensor(values, [values.length]);
          expect(encoded.chunks.length).toBe(Math.max(0, Math.ceil(values.byteLength / megabyte) - 1));
          const found = await decodeFloat32(...arrive(encoded, offset));
          expect(bytesOf(found).equals(bytesOf(values))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keep NaN payloads, infinities, negative zero and subnormals", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 0xffffffff })), async (words) => {
        const values = new Float32Array(Uint32Array.from(words).buffer);
        const found = await decodeFloat32(...arrive(encodeTensor(values, [values.length])));
        expect(bytesOf(found).equals(bytesOf(values))).toBe(true);
      }),
    );
  });

  it("keep their shape, and take no room of the message they came in", async () => {
    const values = seededValues(2 * 3 * 5 * 7, 1);
    const [first, next] = arrive(encodeTensor(values, [2, 3, 5, 7]));
    expect(first.shape).toEqual([2, 3, 5, 7]);
    const found = await decodeFloat32(first, next);
    expect(found.buffer.byteLength).toBe(values.byteLength);
    first.data.fill(0);
    expect(found).toEqual(values);
  });

  it("pass through the protocol's own encoding", async () => {
    const values = seededValues(1000, 2);
    const { tensor, chunks } = encodeTensor(values, [10, 100]);
    const follow = protocolDefinition["deqfleet.v1.Exchange"];
    if (!("FollowSlice" in follow)) throw new Error("no FollowSlice in the protocol");
    const { responseSerialize, responseDeserialize } = follow.FollowSlice;
    const decoded = responseDeserialize(responseSerialize({ setupTensor: tensor })) as {
      setupTensor: Tensor__Output;
    };
    const [, next] = arrive({ tensor, chunks });
    expect(await decodeFloat32(decoded.setupTensor, next)).toEqual(values);
  });
});

it("uint8 tensors come back, across chunk borders too", async () => {
  for (const size of [0, 1, megabyte - 1, megabyte, megabyte + 1, 2 * megabyte]) {
    const values = Uint8Array.from({ length: size }, (_, i) => (i * 31) % 251);
    const encoded = encodeTensor(values, [size]);
    expect(encoded.chunks.length).toBe(size > megabyte ? 1 : 0);
    expect(bytesOf(await decodeUint8(...arrive(encoded, 1))).equals(bytesOf(values))).toBe(true);
  }
});

describe("damaged tensors are refused", () => {
  const big = seededValues(megabyte / 2, 3);

  it("when any bit of any message flipped", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 * megabyte - 1 }),
        fc.integer({ min: 0, max: 7 }),
        async (at, bit) => {
          const [first, next] = arrive(encodeTensor(big, [big.length]));
          const flip = (data: Buffer, from: number) => {
            if (at >= from && at < from + data.length) data[at - from] ^= 1 << bit;
          };
          flip(first.data, 0);
          let from = megabyte;
          const damaged = async () => {
            const chunk = await next();
            flip(chunk.data, from);
            from += chunk.data.length;
            return chunk;
          };
          await expect(decodeFloat32(first, damaged)).rejects.toThrow(/arrived damaged: checksum/);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("when chunks changed places", async () => {
    const values = seededValues((3 * megabyte) / 4, 4);
    const { tensor, chunks } = encodeTensor(values, [values.length]);
    const swapped: Chunk[] = [chunks[1], chunks[0]];
    await expect(decodeFloat32(...arrive({ tensor, chunks: swapped }))).rejects.toThrow(RetryableError);
  });

  it("when the stream ends early, or a message is empty or too long", async () => {
    const { tensor, chunks } = encodeTensor(big, [big.length]);
    await expect(decodeFloat32(...arrive({ tensor, chunks: [] }))).rejects.toThrow(/the stream ended/);
    await expect(decodeFloat32(...arrive({ tensor, chunks: [{ data: Buffer.alloc(0) }] }))).rejects.toThrow(
      `a tensor of ${2 * megabyte} bytes arrived with ${megabyte} bytes`,
    );
    const longer = { data: Buffer.alloc(megabyte + 4) };
    await expect(decodeFloat32(...arrive({ tensor, chunks: [longer] }))).rejects.toThrow(
      `arrived with ${2 * megabyte + 4} bytes`,
    );
    expect(chunks.length).toBe(1);
  });

  it("when they are longer or shorter than what is due, before anything is made of them", async () => {
    const floats = encodeTensor(new Float32Array(12), [3, 4]);
    expect(await decodeFloat32(...arrive(floats), 12)).toHaveLength(12);
    for (const due of [0, 11, 13]) {
      const decoding = decodeFloat32(...arrive(floats), due);
      await expect(decoding).rejects.toThrow(RetryableError);
      await expect(decoding).rejects.toThrow(`a tensor of 12 numbers came where ${due} were due`);
    }
    const bytes = encodeTensor(new Uint8Array(4), [4]);
    expect(await decodeUint8(...arrive(bytes), 4)).toHaveLength(4);
    await expect(decodeUint8(...arrive(bytes), 5)).rejects.toThrow(
      "a tensor of 4 numbers came where 5 were due",
    );
  });

  it("without memory for what only their header promises", async () => {
    const { tensor } = encodeTensor(big, [big.length]);
    const [first] = arrive({ tensor: { ...tensor, shape: [1024 ** 3 / 4] }, chunks: [] });
    const before = process.memoryUsage().arrayBuffers;
    let made = Number.POSITIVE_INFINITY;
    const next = async () => {
      made = process.memoryUsage().arrayBuffers - before;
      throw new RetryableError("the stream ended");
    };
    await expect(decodeFloat32(first, next)).rejects.toThrow("the stream ended");
    expect(made).toBeLessThan(64 * megabyte);
  });

  it("when they are of another type, or their header asks for more memory than any picture", async () => {
    const [bytes, nextByte] = arrive(encodeTensor(new Uint8Array(4), [4]));
    await expect(decodeFloat32(bytes, nextByte)).rejects.toThrow(
      /expected a float32 tensor, got DTYPE_UINT8/,
    );
    const [floats, nextFloat] = arrive(encodeTensor(new Float32Array(4), [4]));
    await expect(decodeUint8(floats, nextFloat)).rejects.toThrow(
      /expected a uint8 tensor, got DTYPE_FLOAT32/,
    );
    const huge = { ...floats, shape: [4294967295, 4294967295] };
    await expect(decodeFloat32(huge, nextFloat)).rejects.toThrow(/was announced; refused/);
  });
});
