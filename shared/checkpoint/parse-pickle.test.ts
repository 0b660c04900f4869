import { describe, expect, it } from "vitest";
import {
  bool,
  code,
  dict,
  float,
  global,
  integer,
  list,
  none,
  orderedDict,
  pickle,
  reduce,
  storageId,
  tensor,
  text,
  tuple,
  uint64,
} from "../../test/pickle-code.js";
import { parsePickle } from "./parse-pickle.js";
import {
  InertObject,
  PickleDict,
  PickleList,
  PickleTuple,
  type PickleValue,
  TensorReference,
} from "./pickle-values.js";

const parse = (bytes: Uint8Array): PickleValue => parsePickle(bytes, 0, "f.pt").value;

/** Values as plain JavaScript, for comparison. */
const plain = (value: PickleValue): unknown => {
  if (value instanceof PickleDict) return new Map([...value.entries].map(([k, v]) => [plain(k), plain(v)]));
  if (value instanceof PickleList || value instanceof PickleTuple) return value.items.map(plain);
  return value instanceof InertObject ? value.type : value;
};

describe("parsePickle: plain values", () => {
  it("reads numbers, text and containers", () => {
    const value = dict([
      ["none", none],
      ["true", bool(true)],
      ["int", integer(-7)],
      ["long", integer(2n ** 80n)],
      ["float", float(0.1)],
      ["text", text("\ufeffß\u{1f600}")],
      ["tuple", tuple(integer(1), tuple())],
      ["list", list(integer(1), list())],
    ]);
    expect(plain(parse(pickle(value)))).toEqual(
      new Map<string, unknown>([
        ["none", null],
        ["true", true],
        ["int", -7],
        ["long", 2n ** 80n],
        ["float", 0.1],
        ["text", "\ufeffß\u{1f600}"],
        ["tuple", [1, []]],
        ["list", [1, []]],
      ]),
    );
  });

  it("reads the opcodes of protocol 4 and 5: frames, memoize, short text, sets, stack names", () => {
    const framed = code(
      0x95,
      uint64(99),
      0x8f,
      0x94,
      "(",
      0x8c,
      2,
      "ab",
      0x94,
      "K",
      7,
      0x90,
      "h",
      1,
      "h",
      1,
      0x86,
      0x86,
    );
    expect(plain(parse(pickle(framed, 5)))).toEqual([
      ["ab", 7],
      ["ab", "ab"],
    ]);
    const named = code(0x8c, 11, "collections", 0x8c, 11, "OrderedDict", 0x93, ")R");
    expect(parse(pickle(named, 4))).toBeInstanceOf(PickleDict);
  });

  it("reads the harmless objects training runs save", () => {
    const namespace = code(global("argparse", "Namespace"), ")", 0x81, dict([["lr", float(0.5)]]), "b");
    expect(plain(parse(pickle(namespace)))).toEqual(new Map([["lr", 0.5]]));
    const counter = reduce(global("collections", "Counter"), dict([["a", integer(2)]]));
    expect(plain(parse(pickle(counter)))).toEqual(new Map([["a", 2]]));
    const perName = reduce(global("collections", "defaultdict"), global("__builtin__", "list"));
    expect(plain(parse(pickle(code(perName, text("k"), integer(1), "s"))))).toEqual(new Map([["k", 1]]));
    const dtype = code(reduce(global("numpy", "dtype"), text("f8"), bool(false)), tuple(integer(3)), "b");
    const bytes = reduce(global("_codecs", "encode"), text("abcdefgh"), text("latin1"));
    const scalar = reduce(global("numpy.core.multiarray", "scalar"), dtype, bytes);
    expect(plain(parse(pickle(scalar)))).toBe("NumPy scalar");
    expect(plain(parse(pickle(reduce(global("torch", "device"), text("cuda")))))).toBe("torch.device");
    expect(plain(parse(pickle(reduce(global("torch", "Size"), tuple(integer(3))))))).toEqual([3]);
  });

  it("refers to tensors and parameters, and ignores a state dict's _metadata", () => {
    const weight = tensor(storageId("HalfStorage", "k0", 24), 4, [2, 3], [3, 1]);
    const parameter = reduce(global("torch._utils", "_rebuild_parameter"), weight, bool(true), none);
    const state = code(orderedDict([["w", parameter]]), dict([["_metadata", none]]), "b");
    const { value, storages } = parsePickle(pickle(state), 0, "f.pt");
    const [[name, found]] = [...(value as PickleDict).entries];
    expect(name).toBe("w");
    expect(found).toBeInstanceOf(TensorReference);
    expect(found).toMatchObject({ offset: 4, shape: [2, 3], strides: [3, 1] });
    expect(storages.get("k0")).toMatchObject({ dtype: "float16", elements: 24 });
  });
});
