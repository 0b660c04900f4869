import { describe, expect, it } from "vitest";
import { FairShare } from "./fair-share.js";

const shares = (...given: [name: string, weight: number, priority?: number][]) => {
  const share = new FairShare();
  for (const [name, weight, priority = 5] of given) share.set({ name, weight, priority });
  return share;
};

/** Items each job is given in so many draws of one, each costing what `costs` says. */
function served(share: FairShare, names: string[], draws: number, costs: Record<string, number> = {}) {
  const counts: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
  for (let i = 0; i < draws; i++) {
    for (const { name, charge } of share.draw(names, 1)) {
      counts[name]!++;
      charge(costs[name] ?? 1);
    }
  }
  return counts;
}

describe("FairShare", () => {
  it("serves jobs of one priority by their weights, in any window", () => {
    const share = shares(["a", 1], ["b", 3]);
    for (let window = 0; window < 5; window++)
      expect(served(share, ["a", "b"], 40)).toEqual({ a: 10, b: 30 });
  });

  it("serves the highest priority alone, and the next as soon as that has no items", () => {
    const share = shares(["low", 100, 1], ["high", 1, 9]);
    expect(served(share, ["low", "high"], 10)).toEqual({ low: 0, high: 10 });
    expect(served(share, ["low"], 10)).toEqual({ low: 10 });
  });

  it("shares the time of the workers, not the number of items", () => {
    const share = shares(["slow", 1], ["quick", 1]);
    served(share, ["slow", "quick"], 20, { slow: 10, quick: 1 });
    expect(served(share, ["slow", "quick"], 110, { slow: 10, quick: 1 })).toEqual({ slow: 10, quick: 100 });
  });

  it("draws several turns at once as it would draw them one by one", () => {
    const names = shares(["a", 1], ["b", 2])
      .draw(["a", "b"], 6)
      .map(({ name }) => name);
    expect(names).toEqual(["a", "b", "b", "a", "b", "b"]);
  });

  it("owes nothing for the time in which a job had no items, and takes back what was not there", () => {
    const share = shares(["a", 1], ["b", 1]);
    served(share, ["a"], 50);
    share.enter("b");
    expect(served(share, ["a", "b"], 20)).toEqual({ a: 10, b: 10 });
    for (const { charge } of share.draw(["b"], 30)) charge(0);
    expect(served(share, ["a", "b"], 20)).toEqual({ a: 10, b: 10 });
    share.set({ name: "late", priority: 5, weight: 2 });
    expect(served(share, ["a", "b", "late"], 40)).toEqual({ a: 10, b: 10, late: 20 });
  });

  it("does not draw what it does not know", () => {
    const share = shares(["a", 1]);
    share.delete("a");
    expect(share.draw(["a"], 3)).toEqual([]);
    expect(share.draw([], 3)).toEqual([]);
  });
});
