/**
 * The safetensors container: an 8-byte little-endian header length, a JSON header naming dtype, shape and byte range of
 * every tensor, then the raw little-endian values. Used for measurements that are no picture and for recorded tensors.
 * Source: the format's public description (huggingface/safetensors, README "Format").
 */
import { InputError } from "./errors.js";
import { parseSafetensorsHeader, requireEntryBytes } from "./safetensors-header.js";

const elementBytes = { F32: 4, I64: 8, U8: 1 } as const;

/** Element types deqfleet reads and writes. */
export type SafetensorsDtype = keyof typeof elementBytes;

/** One named tensor. `bytes` starts at a fresh, aligned ArrayBuffer. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A decoded file: tensors by name and the free-text metadata. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const isDtype = (name: string): name is SafetensorsDtype => Object.hasOwn(elementBytes, name);

/**
 * Decodes a safetensors file held in memory.
 * @param source the file's name, for error messages
 * @throws InputError if the file is truncated, malformed or holds an unsupported dtype
 */
export function decodeSafetensors(file: Uint8Array, source: string): Safetensors {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerLength = file.byteLength < 8 ? Number.NaN : Number(view.getBigUint64(0, true));
  if (!(headerLength <= file.byteLength - 8)) {
    throw new InputError(`${source}: not a safetensors file, or truncated (${file.byteLength} bytes)`);
  }
  const text = new TextDecoder().decode(file.subarray(8, 8 + headerLength));
  const { tensors: entries, metadata } = parseSafetensorsHeader(text, source);
  const body = file.subarray(8 + headerLength);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, entry] of entries) {
    const { dtype, shape, begin, end } = entry;
    if (!isDtype(dtype)) throw new InputError(`${source}: tensor ${name} has unsupported dtype ${dtype}`);
    requireEntryBytes(name, entry, elementBytes[dtype], body.byteLength, source);
    tensors.set(name, { dtype, shape, bytes: new Uint8Array(body.subarray(begin, end)) });
  }
  return { tensors, metadata };
}

/**
 * The float32 values of a tensor.
 * @throws InputError if the tensor is missing or not F32
 */
export function float32Tensor(file: Safetensors, name: string, source = "safetensors"): Float32Array {
  const entry = file.tensors.get(name);
  if (entry?.dtype !== "F32") {
    throw new InputError(
      `${source}: no float32 tensor named ${name} (found: ${[...file.tensors.keys()].join(", ")})`,
    );
  }
  return new Float32Array(entry.bytes.buffer, 0, entry.bytes.byteLength / 4);
}

/** Encodes float32 tensors with metadata; the inverse of {@link decodeSafetensors}. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, { shape: readonly number[]; values: Float32Array }>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const text = JSON.stringify(header);
  const padded = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const file = new Uint8Array(8 + padded.byteLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded.byteLength), true);
  file.set(padded, 8);
  let at = 8 + padded.byteLength;
  for (const { values } of Object.values(tensors)) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return file;
}
