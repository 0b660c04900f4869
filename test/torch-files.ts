/**
 * Writes checkpoints as torch.save does, zip and legacy, of any size: values are made chunk by chunk while the file is written.
 * Source: torch/serialization.py, _save and _legacy_save
 */
import { open } from "node:fs/promises";
import type { StoredDtype } from "../shared/checkpoint/checkpoint.js";
import { rowMajorStrides } from "../shared/checkpoint/tensor-layout.js";
import { toFloat16 } from "../shared/onnx/float16.js";
import {
  bool,
  code,
  dict,
  integer,
  list,
  none,
  orderedDict,
  type PickleCode,
  pickle,
  storageId,
  tensor,
  text,
  uint64,
} from "./pickle-code.js";
import { ZipWriter, type ZipWriterOptions } from "./zip-writer.js";

/** One tensor to write. */
export interface TorchTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** Sets `chunk` to the storage's values from element `offset` on. */
  readonly fill: (chunk: Float32Array, offset: number) => void;
  /** A view that is not gapless: strides, first element and size of the storage. */
  readonly view?: { readonly strides: readonly number[]; readonly offset: number; readonly elements: number };
}

/** How the file is written. */
export interface TorchZipOptions extends ZipWriterOptions {
  /** Folder inside the zip; default "archive". */
  readonly root?: string;
  /** The saved object around the state dict; default the state dict itself. */
  readonly wrap?: (stateDict: PickleCode) => PickleCode;
  /** Bytes left unwritten before the last storage, to place it far into the file; default 0. */
  readonly hole?: number;
  /** Text of the byteorder entry; none by default. */
  readonly byteOrder?: string;
}

/** torch's name of the storage of each element type. */
export const storageNames: Readonly<Record<StoredDtype, string>> = {
  float64: "DoubleStorage",
  float32: "FloatStorage",
  float16: "HalfStorage",
  bfloat16: "BFloat16Storage",
  int64: "LongStorage",
  int32: "IntStorage",
  int16: "ShortStorage",
  int8: "CharStorage",
  uint8: "ByteStorage",
  bool: "BoolStorage",
};

const chunkElements = 2 ** 20;

/** Elements of the tensor's storage. */
export const storageElements = ({ shape, view }: TorchTensor): number =>
  view?.elements ?? shape.reduce((a, b) => a * b, 1);

const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Values as they are stored; bfloat16 is cut off, not rounded. */
export const storedBytes = (dtype: StoredDtype, values: Float32Array): Uint8Array => {
  switch (dtype) {
    case "float64":
      return bytesOf(Float64Array.from(values));
    case "float32":
      return bytesOf(values);
    case "float16":
      return bytesOf(toFloat16(values, "test tensor"));
    case "bfloat16":
      return bytesOf(
        Uint16Array.from(
          new Uint32Array(values.buffer, values.byteOffset, values.length),
          (bits) => bits >>> 16,
        ),
      );
    case "int64":
      return bytesOf(BigInt64Array.from(Array.from(values, (value) => BigInt(value))));
    case "int32":
      return bytesOf(Int32Array.from(values));
    case "int16":
      return bytesOf(Int16Array.from(values));
    case "int8":
      return bytesOf(Int8Array.from(values));
    case "uint8":
    case "bool":
      return bytesOf(Uint8Array.from(values));
  }
};

function* chunksOf(stored: TorchTensor): Iterable<Uint8Array> {
  const elements = storageElements(stored);
  const chunk = new Float32Array(Math.min(chunkElements, elements));
  for (let at = 0; at < elements; at += chunkElements) {
    const part = chunk.subarray(0, Math.min(chunkElements, elements - at));
    stored.fill(part, at);
    yield storedBytes(stored.dtype, part);
  }
}

const stateDict = (tensors: readonly TorchTensor[], isLegacy: boolean): PickleCode =>
  orderedDict(
    tensors.map((stored, key) => {
      const { name, dtype, shape, view } = stored;
      const storage = storageId(
        storageNames[dtype],
        String(key),
        storageElements(stored),
        isLegacy ? none : undefined,
      );
      return [name, tensor(storage, view?.offset ?? 0, shape, view?.strides ?? rowMajorStrides(shape))];
    }),
  );

/** Writes a zip checkpoint; memory does not grow with its size. */
export async function writeTorchZip(
  path: string,
  tensors: Iterable<TorchTensor>,
  { root = "archive", wrap = (state) => state, byteOrder, hole = 0, ...zip }: TorchZipOptions = {},
): Promise<void> {
  const all = [...tensors];
  const writer = await ZipWriter.create(path, zip);
  await writer.add(`${root}/data.pkl`, [pickle(wrap(stateDict(all, false)))]);
  if (byteOrder !== undefined) await writer.add(`${root}/byteorder`, [Buffer.from(byteOrder)]);
  for (const [key, stored] of all.entries()) {
    if (key === all.length - 1) writer.skip(hole);
    await writer.add(`${root}/data/${key}`, chunksOf(stored));
  }
  await writer.add(`${root}/version`, [Buffer.from("3\n")]);
  await writer.finish();
}

/** The pickles at the head of a legacy file, the last one being the list of storage keys. */
export const legacyHead = (object: PickleCode, keys: readonly string[], littleEndian = true): PickleCode =>
  code(
    pickle(integer(0x1950a86a20f9469cfc6cn)),
    pickle(integer(1001)),
    pickle(dict([["little_endian", bool(littleEndian)]])),
    pickle(object),
    pickle(list(...keys.map(text))),
  );

/** Writes a legacy checkpoint. */
export async function writeTorchLegacy(
  path: string,
  tensors: Iterable<TorchTensor>,
  { wrap = (state) => state }: Pick<TorchZipOptions, "wrap"> = {},
): Promise<void> {
  const all = [...tensors];
  const handle = await open(path, "w");
  await handle.writeFile(
    legacyHead(
      wrap(stateDict(all, true)),
      all.map((_, key) => String(key)),
    ),
  );
  for (const stored of all) {
    await handle.writeFile(uint64(storageElements(stored)));
    for (const chunk of chunksOf(stored)) await handle.writeFile(chunk);
  }
  await handle.close();
}
