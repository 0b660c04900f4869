/** Pickle programs put together by hand, well-formed and hostile ones: each part is the code that pushes one value. */

/** Bytes of a pickle that push one value. */
export type PickleCode = Uint8Array;

/** Code of opcodes, text (Latin-1) and parts, in a row. */
export const code = (...parts: readonly (number | string | PickleCode)[]): PickleCode =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === "number"
        ? Buffer.of(part)
        : typeof part === "string"
          ? Buffer.from(part, "latin1")
          : part,
    ),
  );

/** A 32-bit little-endian number. */
export const uint32 = (value: number): PickleCode => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** A 64-bit little-endian number. */
export const uint64 = (value: number | bigint): PickleCode => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

export const none = code("N");
export const bool = (value: boolean): PickleCode => code(value ? 0x88 : 0x89);

export const text = (value: string): PickleCode => {
  const bytes = Buffer.from(value, "utf8");
  return code("X", uint32(bytes.byteLength), bytes);
};

/** An integer of up to 88 bits, as LONG1. */
export const integer = (value: number | bigint): PickleCode => {
  const bytes = Buffer.alloc(11);
  const wide = BigInt.asUintN(88, BigInt(value));
  for (let i = 0; i < 11; i++) bytes[i] = Number((wide >> BigInt(8 * i)) & 0xffn);
  return code(0x8a, 11, bytes);
};

/** A float, big-endian as pickles have it. */
export const float = (value: number): PickleCode => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return code("G", bytes);
};

export const tuple = (...items: readonly PickleCode[]): PickleCode => code("(", ...items, "t");
export const list = (...items: readonly PickleCode[]): PickleCode => code("](", ...items, "e");

export const dict = (entries: readonly (readonly [string, PickleCode])[]): PickleCode =>
  code("}(", ...entries.flatMap(([key, value]) => [text(key), value]), "u");

export const global = (module: string, name: string): PickleCode => code(`c${module}\n${name}\n`);
export const reduce = (callable: PickleCode, ...args: readonly PickleCode[]): PickleCode =>
  code(callable, tuple(...args), "R");

export const orderedDict = (entries: readonly (readonly [string, PickleCode])[]): PickleCode =>
  code(
    reduce(global("collections", "OrderedDict")),
    "(",
    ...entries.flatMap(([key, value]) => [text(key), value]),
    "u",
  );

/** A whole pickle of one value. */
export const pickle = (value: PickleCode, protocol = 2): PickleCode => code(0x80, protocol, value, ".");

/** A persistent id of a storage, as torch.save writes it. */
export const storageId = (
  type: string,
  key: string,
  elements: number | bigint,
  view?: PickleCode,
): PickleCode =>
  code(
    tuple(
      text("storage"),
      global("torch", type),
      text(key),
      text("cpu"),
      integer(elements),
      ...(view === undefined ? [] : [view]),
    ),
    "Q",
  );

/** A tensor over a storage. */
export const tensor = (
  storage: PickleCode,
  offset: number | bigint,
  shape: readonly (number | bigint)[],
  strides: readonly (number | bigint)[],
): PickleCode =>
  reduce(
    global("torch._utils", "_rebuild_tensor_v2"),
    storage,
    integer(offset),
    tuple(...shape.map(integer)),
    tuple(...strides.map(integer)),
    bool(false),
    reduce(global("collections", "OrderedDict")),
  );
