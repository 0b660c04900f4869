import { describe, expect, it } from "vitest";
import type { RoundReport } from "../../shared/chain/slice-host.js";
import { BorderWatch, fitCost } from "./border-watch.js";

const report = (evaluations: number, total: number): RoundReport => ({
  residuals: [],
  transfer: { range: 1, null: 1 },
  exit: undefined,
  gram: [],
  evaluations,
  seconds: { network: total, kernels: 0, total },
});

describe("fitCost", () => {
  it("takes one length for proportional cost, and several for what a call costs by itself", () => {
    expect(fitCost([{ states: 5, seconds: 1 }])(10)).toBeCloseTo(2);
    const fitted = fitCost([6, 4, 3].map((states) => ({ states, seconds: 1 + 0.1 * states })));
    expect(fitted(10)).toBeCloseTo(2);
  });

  it("never falls with more states, nor below zero", () => {
    const falling = fitCost([
      { states: 2, seconds: 3 },
      { states: 6, seconds: 1 },
    ]);
    expect(falling(1)).toBeCloseTo(2);
    const steep = fitCost([
      { states: 2, seconds: 1 },
      { states: 6, seconds: 9 },
    ]);
    expect(steep(1)).toBeGreaterThan(0);
  });
});

describe("BorderWatch", () => {
  const held = [
    { worker: 0, begin: 0, end: 10 },
    { worker: 1, begin: 10, end: 20 },
  ];
  const work = { begin: 8, end: 20 };

  it("moves nothing before it has seen a round", () => {
    expect(new BorderWatch(20).plan({ held, idle: [], work, rounds: 5 })).toBeUndefined();
  });

  it("moves steps where evaluation is dear, and none where the wire is", () => {
    const cheap = new BorderWatch(20);
    cheap.observe([0, 1], [report(10, 1), report(10, 1)], 1.01);
    expect(cheap.plan({ held, idle: [], work, rounds: 5 })?.ranges).toEqual([
      { worker: 0, begin: 0, end: 14 },
      { worker: 1, begin: 14, end: 20 },
    ]);
    const dear = new BorderWatch(20);
    dear.observe([0, 1], [report(10, 0.01), report(10, 0.01)], 1);
    expect(dear.plan({ held, idle: [], work, rounds: 5 })).toBeUndefined();
  });

  it("learns what moving costs", () => {
    const watch = new BorderWatch(20);
    watch.observe([0, 1], [report(10, 1), report(10, 1)], 1.01);
    for (let i = 0; i < 10; i++) watch.observeMove(1, 2);
    expect(watch.plan({ held, idle: [], work, rounds: 5 })).toBeUndefined();
  });

  it("tells a slow worker from one that was a little late", () => {
    const plan = (seconds: number) => {
      const watch = new BorderWatch(20);
      watch.observe([0, 1], [report(10, 1), report(10, seconds)], 3.01);
      return watch.plan({ held, idle: [], work: { begin: 0, end: 20 }, rounds: 5 });
    };
    expect(plan(1.1)).toBeUndefined();
    expect(plan(3)?.ranges.map(({ begin, end }) => end - begin)).toEqual([15, 5]);
  });

  it("takes a worker that is twice as late for a slow one after three rounds, not after one", () => {
    const watch = new BorderWatch(20);
    const plan = () => watch.plan({ held, idle: [], work: { begin: 0, end: 20 }, rounds: 5 });
    const late = () => watch.observe([0, 1], [report(10, 1), report(10, 1.9)], 1.91);
    late();
    expect(plan()).toBeUndefined();
    late();
    late();
    expect(plan()?.ranges.map(({ begin, end }) => end - begin)).toEqual([13, 7]);
  });

  it("counts two exchanges in what a move took, and the rest for its steps", () => {
    const watch = new BorderWatch(20);
    const plan = () => watch.plan({ held, idle: [], work, rounds: 5 });
    watch.observe([0, 1], [report(10, 1), report(10, 1)], 1.2);
    watch.observeMove(4, 0.4);
    expect(plan()?.moved).toBe(4);
    // Half a second a step: more than the four save in five rounds.
    for (let i = 0; i < 10; i++) watch.observeMove(4, 2.4);
    expect(plan()).toBeUndefined();
  });
});
