/** One safetensors file, read by position: its header at once, its tensors when asked. */
import { InputError } from "../errors.js";
import { parseSafetensorsHeader, requireEntryBytes } from "../safetensors-header.js";
import type { StoredDtype } from "./checkpoint.js";
import type { PositionedFile } from "./positioned-file.js";
import { StoredTensor } from "./stored-tensor.js";
import { elementBytes } from "./stored-values.js";
import { elementsOf, rowMajorStrides } from "./tensor-layout.js";

const dtypes: ReadonlyMap<string, StoredDtype> = new Map([
  ["F64", "float64"],
  ["F32", "float32"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["I16", "int16"],
  ["I8", "int8"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);

/** The reference implementation's limit of a header. */
const maxHeaderBytes = 100_000_000;

const lengthBytes = 8;

/**
 * The header's length if the file starts like safetensors: a length that fits, then "{".
 * @returns undefined if it does not
 */
export async function safetensorsHeaderLength(file: PositionedFile): Promise<number | undefined> {
  if (file.size < lengthBytes + 2) return undefined;
  const head = await file.read(0, lengthBytes + 1, "the safetensors header");
  const length = Number(new DataView(head.buffer).getBigUint64(0, true));
  return length <= maxHeaderBytes && head[lengthBytes] === "{".charCodeAt(0) ? length : undefined;
}

/**
 * The tensors of a safetensors file.
 * @param headerBytes the header's length, see {@link safetensorsHeaderLength}
 * @throws InputError if the header is damaged, an element type is not read or a tensor lies outside the file
 */
export async function safetensorsTensors(
  file: PositionedFile,
  headerBytes: number,
): Promise<Map<string, StoredTensor>> {
  const text = await file.read(lengthBytes, headerBytes, "the safetensors header");
  const header = parseSafetensorsHeader(new TextDecoder().decode(text), file.path);
  const body = lengthBytes + headerBytes;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of header.tensors) {
    const { shape, begin } = entry;
    const dtype = dtypes.get(entry.dtype);
    if (dtype === undefined) {
      throw new InputError(
        `${file.path}: tensor ${name} [${shape.join(", ")}] has the unsupported element type ${entry.dtype}; ` +
          `read are ${[...dtypes.keys()].join(", ")}`,
      );
    }
    requireEntryBytes(name, entry, elementBytes[dtype], file.size - body, file.path);
    const storage = { file, position: body + begin, elements: elementsOf(shape) };
    tensors.set(
      name,
      new StoredTensor(name, dtype, storage, { shape, strides: rowMajorStrides(shape), offset: 0 }),
    );
  }
  return tensors;
}
