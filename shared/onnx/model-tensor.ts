/** Constants of a model file: what they are and where their values lie. Only small ones are read. */
import { InputError } from "../errors.js";
import { elementCount } from "./graph-contents.js";
import {
  type ElementType,
  elementBytes,
  elementTypeOf,
  externalLocation,
  messageType,
  tensorFields,
} from "./onnx-proto.js";
import type { WireField, WireFile } from "./wire-file.js";

/** Where an initializer's values lie when not in the model file. */
export interface ExternalLocation {
  /** Path relative to the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** A constant of the model. */
export interface ModelTensor {
  /** Empty for the value of a Constant node. */
  readonly name: string;
  readonly elementType: ElementType;
  readonly dims: readonly number[];
  /** Size of the values in bytes. */
  readonly bytes: number;
  readonly external?: ExternalLocation;
  /** The values themselves where the tensor is at most a few KiB and lies in the model: shapes, axes, factors. */
  readonly values?: readonly number[];
}

/** A TensorProto as decoded; repeated and missing fields are empty. */
export interface TensorMessage {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly dataLocation: number;
  readonly rawData: Uint8Array;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly number[];
  readonly doubleData: readonly number[];
  readonly uint64Data: readonly number[];
  readonly externalData: readonly { readonly key: string; readonly value: string }[];
}

/** Tensors of up to this many bytes, header included, are read with their values. */
const smallTensor = 4096;

/** Fields that hold values. */
const bulkFields = new Set<number>([
  tensorFields.floatData,
  tensorFields.int32Data,
  tensorFields.int64Data,
  tensorFields.rawData,
  tensorFields.doubleData,
  tensorFields.uint64Data,
]);

const tensorType = messageType("Tensor");

/** Decodes a TensorProto. */
export const decodeTensor = (bytes: Uint8Array): TensorMessage =>
  tensorType.toObject(tensorType.decode(bytes), { longs: Number, defaults: true }) as TensorMessage;

function rawValues(type: ElementType, raw: Uint8Array): number[] | undefined {
  const bytes = new Uint8Array(raw).buffer;
  switch (type) {
    case "float32":
      return [...new Float32Array(bytes)];
    case "float64":
      return [...new Float64Array(bytes)];
    case "int64":
      return Array.from(new BigInt64Array(bytes), Number);
    case "int32":
      return [...new Int32Array(bytes)];
    case "bool":
    case "uint8":
      return [...new Uint8Array(bytes)];
    default:
      return undefined;
  }
}

function typedValues(type: ElementType, tensor: TensorMessage): readonly number[] | undefined {
  switch (type) {
    case "float32":
      return tensor.floatData;
    case "float64":
      return tensor.doubleData;
    case "int64":
      return tensor.int64Data;
    case "int32":
    case "bool":
    case "uint8":
      return tensor.int32Data;
    default:
      return undefined;
  }
}

function externalOf(tensor: TensorMessage, bytes: number, source: string): ExternalLocation {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get("location") ?? "";
  const offset = Number(entries.get("offset") ?? 0);
  const length = Number(entries.get("length") ?? bytes);
  if (location === "" || /^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)/.test(location)) {
    throw new InputError(
      `${source}: the values of ${tensor.name} are said to lie in "${location}"; only files below the model's folder are read`,
    );
  }
  if (!Number.isSafeInteger(offset) || offset < 0 || length !== bytes) {
    throw new InputError(
      `${source}: the values of ${tensor.name} take ${bytes} bytes, but offset ${entries.get("offset")} and length ${entries.get("length")} are given`,
    );
  }
  return { location, offset, length };
}

/**
 * Describes a decoded tensor.
 * @param skipped bytes of raw_data that were passed over; undefined when the message is complete
 * @throws InputError if the dimensions and the values do not agree
 */
export function describeTensor(tensor: TensorMessage, source: string, skipped?: number): ModelTensor {
  const { name, dims } = tensor;
  const elementType = elementTypeOf(tensor.dataType);
  if (elementType === undefined || dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
    throw new InputError(
      `${source}: tensor ${name} has element type ${tensor.dataType} and dimensions [${dims.join(", ")}]; the file is damaged or newer than this program`,
    );
  }
  const elements = elementCount(dims);
  const bytes = elements * elementBytes(elementType);
  const described = { name, elementType, dims, bytes };
  if (tensor.dataLocation === externalLocation) {
    return { ...described, external: externalOf(tensor, bytes, source) };
  }
  const raw = skipped ?? tensor.rawData.byteLength;
  if (raw > 0 && raw !== bytes) {
    throw new InputError(
      `${source}: tensor ${name} ${elementType} [${dims.join(", ")}] needs ${bytes} bytes, has ${raw}; the file is damaged`,
    );
  }
  if (skipped !== undefined || bytes > smallTensor) return described;
  const values = raw > 0 ? rawValues(elementType, tensor.rawData) : typedValues(elementType, tensor);
  return values?.length === elements ? { ...described, values } : described;
}

/** Reads the tensor at [start, end) of the file; values of large ones are passed over. */
export async function readTensor(file: WireFile, { start, end }: WireField): Promise<ModelTensor> {
  if (end - start <= smallTensor)
    return describeTensor(decodeTensor(await file.bytes(start, end)), file.path);
  const parts: Uint8Array[] = [];
  let rawBytes = 0;
  let at = start;
  for await (const field of file.fields(start, end)) {
    // `at` is where the field's tag begins.
    if (!bulkFields.has(field.number)) parts.push(await file.bytes(at, field.end));
    else if (field.number === tensorFields.rawData) rawBytes = field.end - field.start;
    at = field.end;
  }
  return describeTensor(decodeTensor(Buffer.concat(parts)), file.path, rawBytes);
}
