import { describe, expect, it } from "vitest";
import {
  bool,
  code,
  dict,
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
  uint32,
  uint64,
} from "../../test/pickle-code.js";
import { InputError } from "../errors.js";
import { parsePickle } from "./parse-pickle.js";
import { type PickleDict, type PickleList, PickleTuple, type PickleValue } from "./pickle-values.js";

const parse = (bytes: Uint8Array): PickleValue => parsePickle(bytes, 0, "f.pt").value;

/** The message an InputError gives for a pickle of this value; anything else thrown, or nothing, is a failure. */
const refusal = (value: Uint8Array): string => {
  try {
    parse(pickle(value));
  } catch (thrown) {
    if (thrown instanceof InputError) return thrown.message;
    throw thrown;
  }
  throw new Error("the pickle was taken");
};

describe("parsePickle: hostile pickles are refused by name", () => {
  const refusals: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["os.system", reduce(global("os", "system"), text("true")), /holds os\.system, .*not on the list/],
    [
      "posix.system, named by the stack",
      code(text("posix"), text("system"), 0x93, tuple(text("true")), "R"),
      /posix\.system/,
    ],
    ["builtins.eval", reduce(global("builtins", "eval"), text("1")), /builtins\.eval/],
    ["a name that is never called", list(global("subprocess", "Popen")), /subprocess\.Popen/],
    ["getattr", reduce(global("__builtin__", "getattr"), none, text("x")), /__builtin__\.getattr/],
    ["torch's own loaders", global("torch.storage", "_load_from_bytes"), /torch\.storage\._load_from_bytes/],
    [
      "a whole module",
      global("guided_diffusion.unet", "UNetModel"),
      /guided_diffusion\.unet\.UNetModel.*state_dict/,
    ],
    [
      "a dotted way out of a listed module",
      global("collections", "OrderedDict.__init__"),
      /OrderedDict\.__init__/,
    ],
    [
      "a split that joins to a listed name",
      global("collections.Ordered", "Dict"),
      /collections\.Ordered\.Dict/,
    ],
    ["INST", code("(", text("true"), "ios\nsystem\n"), /os\.system \(made by INST\)/],
    ["INST in a listed name", code("(iargparse\nNamespace\n"), /argparse\.Namespace \(made by INST\)/],
    ["OBJ", code("(", global("argparse", "Namespace"), "o"), /argparse\.Namespace \(made by OBJ\)/],
    [
      "BUILD of a tensor",
      code(tensor(storageId("FloatStorage", "0", 1), 0, [1], [1]), dict([]), "b"),
      /BUILD of TensorReference/,
    ],
    [
      "BUILD of a name",
      code(global("torch", "Size"), dict([["__setstate__", none]]), "b"),
      /BUILD of torch\.Size/,
    ],
    [
      "BUILD from slots",
      code(orderedDict([]), tuple(none, dict([])), "b"),
      /BUILD of PickleDict from PickleTuple/,
    ],
    ["a call of what is no callable", code(global("torch", "float16"), ")R"), /a call of torch\.float16/],
    ["a storage type called", code(global("torch", "FloatStorage"), ")R"), /a call of torch\.FloatStorage/],
    ["extension code 1", code(0x82, 1), /opcode EXT1/],
    ["extension code 2", code(0x83, 1, 0), /opcode EXT2/],
    ["extension code 4", code(0x84, uint32(1)), /opcode EXT4/],
    ["construction by keywords", code(global("argparse", "Namespace"), ")", "}", 0x92), /opcode NEWOBJ_EX/],
    ["out-of-band buffers", code(0x97), /opcode NEXT_BUFFER/],
    ["a persistent id as text", code("Pevil\n"), /opcode PERSID/],
    ["an unknown opcode", code(0xff), /opcode 0xff/],
    ["protocol 0 integers", code("I7\n"), /opcode INT/],
    [
      "a module persisted with its source",
      code(tuple(text("module"), none, text("a.py"), text("x")), "Q"),
      /of the kind module/,
    ],
    ["a persistent id that is no tuple", code(text("storage"), "Q"), /not of the form of a storage/],
    [
      "a storage of no storage type",
      code(tuple(text("storage"), global("torch", "Size"), text("0"), text("cpu"), integer(1)), "Q"),
      /not of the form/,
    ],
    [
      "a storage with a number as key",
      code(tuple(text("storage"), global("torch", "FloatStorage"), integer(0), text("cpu"), integer(1)), "Q"),
      /not of the form/,
    ],
    ["a storage of negative size", storageId("FloatStorage", "0", -1), /storage 0 of -1 elements/],
    [
      "a storage beyond 2^53",
      storageId("FloatStorage", "0", 2n ** 60n),
      /storage 0 of 1152921504606846976 elements/,
    ],
    [
      "a view beyond its storage",
      storageId("FloatStorage", "0", 4, tuple(text("v"), integer(2), integer(3))),
      /view beyond the 4 elements/,
    ],
    [
      "a tensor of no storage",
      reduce(global("torch._utils", "_rebuild_tensor_v2"), none, integer(0), tuple(), tuple()),
      /first argument is no storage/,
    ],
    [
      "a shape that is no tuple",
      reduce(
        global("torch._utils", "_rebuild_tensor_v2"),
        storageId("FloatStorage", "0", 1),
        integer(0),
        list(),
        tuple(),
      ),
      /the size is no tuple/,
    ],
    [
      "a shape of text",
      reduce(
        global("torch._utils", "_rebuild_tensor_v2"),
        storageId("FloatStorage", "0", 1),
        integer(0),
        tuple(text("1")),
        tuple(),
      ),
      /the size is no integer/,
    ],
    [
      "a negated view",
      reduce(
        global("torch._utils", "_rebuild_tensor_v2"),
        storageId("FloatStorage", "0", 1),
        integer(0),
        tuple(),
        tuple(),
        bool(false),
        none,
        dict([["neg", bool(true)]]),
      ),
      /negated or conjugated/,
    ],
  ];

  it.each(refusals)("%s", (_, value, message) => {
    const thrown = refusal(value);
    expect(thrown).toMatch(message);
    expect(thrown).toMatch(/^f\.pt: the pickle holds .* nothing of it was executed/);
    // Deep inside other values it is found too.
    expect(refusal(dict([["a", list(tuple(value))]]))).toMatch(message);
  });
});

describe("parsePickle: damage and bombs", () => {
  const damages: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["an empty stack", code("0"), /a mark is missing/],
    ["a missing mark", code("t"), /a mark is missing/],
    ["a memo entry that does not exist", code("h", 9), /memo entry 9/],
    ["a memo entry before any value", code("q", 0), /stack is empty/],
    ["a dict with a key only", code("}(", text("k"), "u"), /key without a value/],
    ["items set on a list", code("]", text("k"), none, "s"), /sets items of PickleList/],
    ["values appended to a dict", code("}", none, "a"), /appends to PickleDict/],
    ["a call without a tuple", code(global("torch", "Size"), none, "R"), /without a tuple of arguments/],
    ["a call of text", code(text("os.system"), ")R"), /calls string/],
    ["a name that is no text", code(none, text("x"), 0x93), /name is no text/],
    ["two values left", code("NN"), /more or less than one value/],
    ["protocol 6", code(0x80, 6, "N"), /protocol 6 is unknown/],
    ["a text of 4 GiB", code("X", uint32(0xffffffff)), /claims 4294967295 bytes/],
    ["a text of 2^63 bytes", code(0x8d, uint64(2n ** 63n)), /claims 9223372036854776000 bytes/],
    ["bytes of 2^64 - 1", code(0x8e, uint64(2n ** 64n - 1n)), /claims 18446744073709552000 bytes/],
    ["a byte array of 2^40", code(0x96, uint64(2n ** 40n)), /claims 1099511627776 bytes/],
    ["text of negative length", code("T", uint32(0xffffffff)), /claims -1 bytes/],
    [
      "an integer of a gigabyte",
      code(0x8b, uint32(2 ** 30)),
      /integer in the pickle claims 1073741824 bytes/,
    ],
    [
      "an integer of negative length",
      code(0x8b, uint32(0xffffffff)),
      /integer in the pickle claims -1 bytes/,
    ],
    ["a name without end", code("c", "a".repeat(5000)), /longer than 1024 bytes/],
    [
      "one key, two storages",
      tuple(storageId("FloatStorage", "0", 4), storageId("FloatStorage", "0", 5)),
      /storage 0 is 4 float32 and 5 float32/,
    ],
    [
      "one key, two types",
      tuple(storageId("FloatStorage", "0", 4), storageId("IntStorage", "0", 4)),
      /storage 0 is 4 float32 and 4 int32/,
    ],
    ["1001 marks", code("(".repeat(1001)), /nests deeper than 1000/],
    ["a million dicts", code("]", "(", "}".repeat(1_000_001)), /more than 1000000 objects/],
    [
      "two million memo entries",
      code("N", new Uint8Array(2_000_001).fill(0x94)),
      /memorizes more than 2000000/,
    ],
  ];

  it.each(damages)("%s", (_, value, message) => {
    const thrown = refusal(value);
    expect(thrown).toMatch(message);
    expect(thrown).toMatch(/^f\.pt: /);
  });

  it("a pickle cut off anywhere", () => {
    const whole = pickle(orderedDict([["w", tensor(storageId("FloatStorage", "0", 6), 0, [2, 3], [3, 1])]]));
    for (let length = 0; length < whole.byteLength; length++) {
      expect(() => parse(whole.subarray(0, length)), `${length} bytes`).toThrow(/truncated or damaged/);
    }
  });

  it("keeps shared values shared: a thousand-fold nest of pairs stays a thousand objects", () => {
    // Written out it would have 2^1000 leaves.
    const doubled = code("N", ...Array.from({ length: 1000 }, () => code("2", 0x86)));
    let value = parse(pickle(doubled));
    let depth = 0;
    for (; value instanceof PickleTuple; depth++) {
      expect(value.items[0]).toBe(value.items[1]);
      value = value.items[0];
    }
    expect(depth).toBe(1000);
  });

  it("takes a list that contains itself", () => {
    const value = parse(pickle(code("]q", 0, "h", 0, "a"))) as PickleList;
    expect(value.items[0]).toBe(value);
  });

  it("counts attributes that are copied again and again", () => {
    const wide = dict(Array.from({ length: 1000 }, (_, i) => [String(i), none] as const));
    const copies = Array.from({ length: 1100 }, () =>
      code(global("argparse", "Namespace"), ")", 0x81, "h", 0, "b"),
    );
    expect(() => parse(pickle(code(wide, "q", 0, ...copies)))).toThrow(/more than 1000000 objects/);
  });

  it("has no names inherited from JavaScript", () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect(() => parse(pickle(global("torch", name)))).toThrow(`torch.${name}`);
      const value = parse(pickle(dict([[name, integer(1)]]))) as PickleDict;
      expect(value.entries.get(name)).toBe(1);
    }
  });
});
