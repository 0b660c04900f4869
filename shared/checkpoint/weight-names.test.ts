import { describe, expect, it } from "vitest";
import { splitLitEma, withoutPrefixes } from "./weight-names.js";

const named = (...names: readonly string[]) => ({
  weights: new Map(names.map((name) => [name, name])),
  unwrapped: ["state_dict"],
});

describe("withoutPrefixes", () => {
  it("drops what all names share, outermost first", () => {
    const { weights, unwrapped } = withoutPrefixes(named("module.model.a.weight", "module.model.b"));
    expect([...weights]).toEqual([
      ["a.weight", "module.model.a.weight"],
      ["b", "module.model.b"],
    ]);
    expect(unwrapped).toEqual(["state_dict", "module.", "model."]);
  });

  it("keeps a prefix that some names lack, and prefixes of networks", () => {
    expect([...withoutPrefixes(named("module.a", "b")).weights.keys()]).toEqual(["module.a", "b"]);
    expect([...withoutPrefixes(named("down.0", "down.1")).weights.keys()]).toEqual(["down.0", "down.1"]);
  });
});

describe("splitLitEma", () => {
  it("pairs names with their copies without dots, leaves the bookkeeping out and names what is left", () => {
    const split = splitLitEma(
      named(
        "model.in.0.weight",
        "model.table",
        "betas",
        "model_ema.in0weight",
        "model_ema.decay",
        "model_ema.odd",
      ),
    )!;
    expect([...split.model.weights.keys()]).toEqual([
      "model.in.0.weight",
      "model.table",
      "betas",
      "model_ema.odd",
    ]);
    expect(split.ema.weights.get("model.in.0.weight")).toBe("model_ema.in0weight");
    expect(split.ema.weights.get("model.table")).toBe("model.table");
    expect(split.ema.unwrapped).toEqual(["state_dict", "model_ema."]);
  });

  it("finds none in other state dicts", () => {
    expect(splitLitEma(named("model.a", "b"))).toBeUndefined();
  });
});
