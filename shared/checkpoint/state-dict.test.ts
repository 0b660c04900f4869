import { describe, expect, it } from "vitest";
import {
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
  tuple,
} from "../../test/pickle-code.js";
import { parsePickle } from "./parse-pickle.js";
import { type WeightChoice, weightsOf } from "./state-dict.js";

/** A one-element tensor told apart by its offset. */
const at = (offset: number): PickleCode => tensor(storageId("FloatStorage", "0", 1000), offset, [1], [1]);

/** A state dict whose tensors have the offsets `start`, `start + 1`, ... */
const state = (start: number, ...names: readonly string[]): PickleCode =>
  orderedDict(names.map((name, i) => [name, at(start + i)]));

const find = (object: PickleCode, choice?: WeightChoice) => {
  const { weights, unwrapped } = weightsOf(parsePickle(pickle(object), 0, "f.pt").value, "f.pt", choice);
  return {
    unwrapped,
    offsets: Object.fromEntries([...weights].map(([name, { offset }]) => [name, offset])),
  };
};

const optimizer = dict([
  ["state", code("}", integer(0), dict([["exp_avg", at(900)]]), "s")],
  ["param_groups", list(dict([["lr", integer(1)]]))],
]);

describe("weightsOf", () => {
  it("takes a plain state dict, without what is no tensor", () => {
    const object = dict([
      ["a", at(1)],
      ["version", integer(3)],
      ["b.c", at(2)],
    ]);
    expect(find(object)).toEqual({ unwrapped: [], offsets: { a: 1, "b.c": 2 } });
    expect(find(object, "model").offsets).toEqual({ a: 1, "b.c": 2 });
  });

  it.each(["state_dict", "model", "params", "model_state_dict"])("unwraps %s, past the optimizer", (key) => {
    const object = dict([
      ["optimizer", optimizer],
      ["step", at(5)],
      [key, state(1, "a", "b")],
      ["epoch", integer(3)],
      ["ema", none],
    ]);
    expect(find(object)).toEqual({ unwrapped: [key], offsets: { a: 1, b: 2 } });
  });

  it.each(["ema", "model_ema", "ema_state_dict", "params_ema"])(
    "prefers the averaged weights under %s",
    (key) => {
      const object = dict([
        ["model", state(1, "module.a", "module.b")],
        [key, state(11, "a", "b")],
      ]);
      expect(find(object)).toEqual({ unwrapped: [key], offsets: { a: 11, b: 12 } });
      expect(find(object, "ema")).toEqual({ unwrapped: [key], offsets: { a: 11, b: 12 } });
      expect(find(object, "model")).toEqual({ unwrapped: ["model", "module."], offsets: { a: 1, b: 2 } });
    },
  );

  it("follows wrappers in wrappers", () => {
    const inner = dict([
      ["model", state(1, "module.a")],
      ["ema", dict([["state_dict", state(11, "module.a")]])],
    ]);
    expect(find(dict([["state_dict", inner]]))).toEqual({
      unwrapped: ["state_dict", "ema", "state_dict", "module."],
      offsets: { a: 11 },
    });
  });

  it("takes the first of a list, and the average at its end", () => {
    const bare = list(state(1, "module.a"), optimizer, integer(3), integer(100));
    expect(find(bare)).toEqual({ unwrapped: ["[0]", "module."], offsets: { a: 1 } });
    const averaged = tuple(state(1, "module.a"), optimizer, integer(3), state(11, "a"));
    expect(find(averaged)).toEqual({ unwrapped: ["[3]", "ema"], offsets: { a: 11 } });
    expect(find(averaged, "model")).toEqual({ unwrapped: ["[0]", "module."], offsets: { a: 1 } });
  });

  it("completes an average that lacks what is not trained", () => {
    const object = dict([
      ["model", state(1, "a", "buffer")],
      ["ema", state(11, "a")],
    ]);
    expect(find(object).offsets).toEqual({ a: 11, buffer: 2 });
  });

  it("does not mix an average with a model of other names", () => {
    const object = dict([
      ["model", state(1, "a", "b")],
      ["ema", state(11, "shadow.a")],
    ]);
    expect(find(object).offsets).toEqual({ "shadow.a": 11 });
  });

  it("refuses a choice that is not there", () => {
    expect(() => find(state(1, "a"), "ema")).toThrow(/f\.pt: holds no averaged weights \(EMA\)/);
    expect(() => find(dict([["ema", state(1, "a")]]), "model")).toThrow(
      /holds averaged weights \(EMA\) only/,
    );
    expect(find(dict([["ema", state(1, "a")]]))).toEqual({ unwrapped: ["ema"], offsets: { a: 1 } });
  });

  it("does not pass the plain weights off as an average without names", () => {
    const nameless = dict([
      ["decay", integer(1)],
      ["shadow_params", list(at(11))],
    ]);
    const object = dict([
      ["model", state(1, "a")],
      ["ema", nameless],
    ]);
    expect(() => find(object)).toThrow(/averaged weights \(EMA, under ema\) have no names.*"model"/);
    expect(find(object, "model").offsets).toEqual({ a: 1 });
  });

  it("refuses several sets of weights instead of picking one", () => {
    const object = dict([
      ["model", state(1, "a")],
      ["net", state(11, "a")],
    ]);
    expect(() => find(object)).toThrow(/holds weights under model and under net/);
  });

  it("says what it found where there are no tensors", () => {
    expect(() => find(dict([["generator", dict([["a", none]])]]))).toThrow(
      /no tensors found.*dict with generator/,
    );
    expect(() => find(list())).toThrow(/no tensors found.*a list of 0/);
    expect(() => find(text("x"))).toThrow(/no tensors found.*a single value/);
    expect(() => find(optimizer)).toThrow(/no tensors found.*state, param_groups/);
  });

  it("does not follow a container into itself", () => {
    const self = code("}q", 0, text("model"), "h", 0, "s");
    expect(() => find(self)).toThrow(/no tensors found/);
    expect(() => find(code("]q", 0, "h", 0, "a"))).toThrow(/no tensors found/);
  });
});
