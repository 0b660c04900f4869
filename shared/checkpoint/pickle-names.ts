/**
 * The names a checkpoint's pickle may hold. A name outside this list is refused where it appears, called or not; what a
 * listed name makes is plain data written here, never anything of the pickle's choosing.
 */
import type { StoredDtype } from "./checkpoint.js";
import {
  InertObject,
  PickleDict,
  PickleList,
  PickleName,
  PickleTuple,
  type PickleValue,
  StorageReference,
  TensorReference,
  type UnreadDtype,
} from "./pickle-values.js";

/** Arguments that a listed name does not take; the parser adds file and name. */
export class WrongArguments extends Error {}

/** PyTorch's own limit of dimensions; longer shapes are not even copied. */
const maxRank = 64;

/** Element types of torch.<name>Storage. */
const storageTypes: Readonly<Record<string, StoredDtype | number>> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
  // Not read: bytes of one element, which legacy files need to find the storage after it.
  ComplexFloatStorage: 8,
  ComplexDoubleStorage: 16,
  QInt8Storage: 1,
  QUInt8Storage: 1,
  QInt32Storage: 4,
  QUInt4x2Storage: 1,
  QUInt2x4Storage: 1,
  UntypedStorage: 1,
};

const dtypeNames = [
  ..."float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split(" "),
  ..."uint64 uint32 uint16 complex64 complex128 float8_e4m3fn float8_e5m2".split(" "),
];

const storageNames = new Map<string, StoredDtype | UnreadDtype>(
  Object.entries(storageTypes).flatMap(([name, type]) => {
    const dtype = typeof type === "string" ? type : { storageType: name, bytes: type };
    const names =
      name === "UntypedStorage"
        ? ["torch.UntypedStorage", "torch.storage.UntypedStorage"]
        : [`torch.${name}`];
    return names.map((qualified) => [qualified, dtype] as const);
  }),
);

const integers = (value: PickleValue | undefined, what: string): number[] => {
  if (!(value instanceof PickleTuple) || value.items.length > maxRank)
    throw new WrongArguments(`${what} is no tuple`);
  return value.items.map((item) => integer(item, what));
};

/** Integers beyond 2^53 come out inexact, and are refused with the tensor's name when the layout is checked. */
const integer = (value: PickleValue | undefined, what: string): number => {
  if (typeof value !== "number" && typeof value !== "bigint")
    throw new WrongArguments(`${what} is no integer`);
  return Number(value);
};

/** torch._utils._rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata) */
const rebuildTensor = (args: readonly PickleValue[]): TensorReference => {
  const [storage, offset, size, stride] = args;
  if (!(storage instanceof StorageReference)) throw new WrongArguments("the first argument is no storage");
  const metadata = args[6] ?? null;
  // A negated or conjugated view: its values are not those stored.
  if (metadata !== null && !(metadata instanceof PickleDict && metadata.entries.size === 0)) {
    throw new WrongArguments("a view with metadata (negated or conjugated); save it with .contiguous()");
  }
  return new TensorReference(
    storage,
    integer(offset, "the offset"),
    integers(size, "the size"),
    integers(stride, "the stride"),
  );
};

/** torch._utils._rebuild_tensor_v3: element types that have no storage type of their own, none of which is read. */
const rebuildUntyped = (args: readonly PickleValue[]): TensorReference => {
  const { storage, offset, shape, strides } = rebuildTensor(args.slice(0, 6));
  const dtype = args[6];
  if (!(dtype instanceof PickleName)) throw new WrongArguments("the element type is no dtype");
  const unread = new StorageReference(storage.key, { storageType: dtype.name, bytes: 1 }, storage.elements);
  return new TensorReference(unread, offset, shape, strides);
};

const rebuildParameter = ([data]: readonly PickleValue[]): PickleValue => {
  if (!(data instanceof TensorReference)) throw new WrongArguments("the first argument is no tensor");
  return data;
};

const emptyDict = (args: readonly PickleValue[]): PickleDict => {
  if (args.length > 0) throw new WrongArguments("it is made from values instead of being filled");
  return new PickleDict();
};

/** Containers are taken over, not copied: a copy could be asked for again and again. */
const sameContainer = ([container]: readonly PickleValue[]): PickleValue => {
  if (container === undefined) return new PickleDict();
  if (container instanceof PickleList || container instanceof PickleTuple || container instanceof PickleDict)
    return container;
  throw new WrongArguments("the argument is no container");
};

const inert = (type: string) => () => new InertObject(type);

const makers: Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>> = {
  "torch._utils._rebuild_tensor_v2": rebuildTensor,
  "torch._utils._rebuild_tensor_v3": rebuildUntyped,
  "torch._utils._rebuild_parameter": rebuildParameter,
  "torch.Size": sameContainer,
  "torch.device": inert("torch.device"),
  "collections.OrderedDict": emptyDict,
  "collections.defaultdict": () => new PickleDict(),
  "collections.Counter": sameContainer,
  "builtins.set": sameContainer,
  "__builtin__.set": sameContainer,
  "builtins.frozenset": sameContainer,
  "__builtin__.frozenset": sameContainer,
  "_codecs.encode": inert("bytes"),
  "builtins.bytearray": inert("bytes"),
  "__builtin__.bytearray": inert("bytes"),
  "__builtin__.bytes": inert("bytes"),
  "numpy.dtype": inert("numpy.dtype"),
  "numpy.core.multiarray.scalar": inert("NumPy scalar"),
  "numpy._core.multiarray.scalar": inert("NumPy scalar"),
  "argparse.Namespace": () => new PickleDict(true),
  "pytorch_lightning.utilities.parsing.AttributeDict": emptyDict,
  "lightning_fabric.utilities.data.AttributeDict": emptyDict,
  "lightning.fabric.utilities.data.AttributeDict": emptyDict,
};

/** Names that appear as values: factories of a defaultdict, keys of Lightning's callback states. */
const values = [
  ..."int float str bool list dict".split(" ").flatMap((type) => [`builtins.${type}`, `__builtin__.${type}`]),
  "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
];

const allowed: ReadonlyMap<string, PickleName> = new Map([
  ...[...Object.entries(makers)].map(([name, make]) => [name, new PickleName(name, make)] as const),
  ...[...values, ...storageNames.keys(), ...dtypeNames.map((name) => `torch.${name}`)].map(
    (name) => [name, new PickleName(name)] as const,
  ),
]);

/** The listed name, or undefined: everything else is refused. */
export const allowedName = (module: string, name: string): PickleName | undefined =>
  allowed.get(`${module}.${name}`);

/** The element type of a storage type, or undefined where the name is none. */
export const storageDtype = (name: PickleName): StoredDtype | UnreadDtype | undefined =>
  storageNames.get(name.name);
