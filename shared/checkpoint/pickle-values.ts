/**
 * What a pickle may hold once it has been parsed: plain data. Nothing here is a live object of another program; names are
 * names, and the objects made from the few allowed ones are the classes below.
 */
import type { StoredDtype } from "./checkpoint.js";

/** A value of a pickle. Integers beyond 2^53 are bigint. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleName
  | InertObject
  | StorageReference
  | TensorReference;

/** A Python list or set. */
export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A Python tuple, or a torch.Size. */
export class PickleTuple {
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** A Python dict, its subclasses, or the attributes of a namespace. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
  /** True of an object whose state is its attributes: a BUILD adds to the entries. */
  readonly isNamespace: boolean;
  constructor(isNamespace = false) {
    this.isNamespace = isNamespace;
  }
}

/** An allowed name (`module.name`). */
export class PickleName {
  readonly name: string;
  /** Plain data in place of what Python would get by calling the name; undefined of names that are never called. */
  readonly make: ((args: readonly PickleValue[]) => PickleValue) | undefined;
  constructor(name: string, make?: (args: readonly PickleValue[]) => PickleValue) {
    this.name = name;
    this.make = make;
  }
}

/** An object whose value no import needs, so that it is not kept: bytes, a device, a NumPy scalar or dtype. */
export class InertObject {
  readonly type: string;
  constructor(type: string) {
    this.type = type;
  }
}

/** A storage the pickle refers to by key; its bytes lie beside the pickle. */
export class StorageReference {
  readonly key: string;
  readonly dtype: StoredDtype | UnreadDtype;
  /** Elements (bytes, of an untyped storage) of the whole storage. */
  readonly elements: number;
  /** First element and count, where a legacy file names a part of the storage. */
  readonly part: { readonly start: number; readonly elements: number } | undefined;
  constructor(
    key: string,
    dtype: StoredDtype | UnreadDtype,
    elements: number,
    part?: { readonly start: number; readonly elements: number },
  ) {
    this.key = key;
    this.dtype = dtype;
    this.elements = elements;
    this.part = part;
  }
}

/** An element type that is not read, by PyTorch's name of the storage; `bytes` where its width matters for what follows it. */
export interface UnreadDtype {
  readonly storageType: string;
  readonly bytes: number;
}

/** A view of a storage; the numbers are the pickle's, unchecked. */
export class TensorReference {
  readonly storage: StorageReference;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(
    storage: StorageReference,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** A value's type or name, for messages. */
export const described = (value: PickleValue | undefined): string => {
  if (value instanceof PickleName) return value.name;
  if (value instanceof InertObject) return value.type;
  if (value === undefined || value === null) return "None";
  return typeof value === "object" ? value.constructor.name : typeof value;
};
