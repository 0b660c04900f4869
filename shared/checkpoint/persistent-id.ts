/**
 * What a pickle's persistent ids refer to: storages, ("storage", type, key, location, elements[, view]), the view of a legacy
 * file being (key, first element, elements). Source: torch/serialization.py, persistent_id.
 */
import { storageDtype, WrongArguments } from "./pickle-names.js";
import { PickleName, PickleTuple, type PickleValue, StorageReference } from "./pickle-values.js";

/** A number of elements or a position. */
const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/**
 * The storage an id refers to.
 * @throws WrongArguments if the id refers to anything else, or its numbers cannot be
 */
export function storageOf(id: PickleValue): StorageReference {
  const [kind, type, key, location, elements, view] = id instanceof PickleTuple ? id.items : [];
  if (typeof kind === "string" && kind !== "storage") throw new WrongArguments(`of the kind ${kind}`);
  const dtype = type instanceof PickleName ? storageDtype(type) : undefined;
  if (kind !== "storage" || dtype === undefined || typeof key !== "string" || typeof location !== "string") {
    throw new WrongArguments("not of the form of a storage");
  }
  if (!isCount(elements)) throw new WrongArguments(`storage ${key} of ${String(elements)} elements`);
  if ((view ?? null) === null) return new StorageReference(key, dtype, elements);
  const [viewKey, start, count] = view instanceof PickleTuple ? view.items : [];
  if (typeof viewKey !== "string" || !isCount(start) || !isCount(count) || start + count > elements) {
    throw new WrongArguments(`a view beyond the ${elements} elements of storage ${key}`);
  }
  return new StorageReference(key, dtype, elements, { start, elements: count });
}

/** PyTorch's or our name of a storage's element type, for messages and comparison. */
export const typeName = ({ dtype }: StorageReference): string =>
  typeof dtype === "string" ? dtype : dtype.storageType;
