import { describe, expect, it } from "vitest";
import { panelsSvg } from "../fleet/line-plot.js";
import { type ChainRun, criticalPathTo, evaluationsTo, roundsTo } from "./chain-run.js";
import { comparisonTable, roundsPanels, roundsTable } from "./rounds-table.js";

const run = (more: Partial<ChainRun> = {}): ChainRun => ({
  task: "inpaint",
  steps: 4,
  method: "secant",
  photo: "rocket",
  seed: 0,
  size: 64,
  psnr: [10, 36, 51, 49, 55, 62],
  evaluations: [0, 4, 7, 9, 10, 10],
  windows: [
    { from: 0, to: 4 },
    { from: 1, to: 4 },
    { from: 2, to: 4 },
    { from: 3, to: 4 },
  ],
  stop: { rounds: 4, psnr: 55 },
  quality: { psnr: 24, ssim: 0.7 },
  ...more,
});

describe("a run", () => {
  it("counts rounds to where the picture stays close for good", () => {
    expect([35, 40, 50, 60, 70].map((level) => roundsTo(run(), level))).toEqual([
      1,
      2,
      4,
      5,
      Number.POSITIVE_INFINITY,
    ]);
    expect(evaluationsTo(run(), 50)).toBe(10);
    expect(evaluationsTo(run(), 70)).toBe(Number.POSITIVE_INFINITY);
  });

  it("counts what the busiest slice evaluates in each round", () => {
    // 4 + 3 + 2 + 1 on one worker; 2 + 2 + 2 + 1 in two slices of 2; one each in four.
    expect([1, 2, 4, 9].map((workers) => criticalPathTo(run(), 50, workers))).toEqual([10, 7, 4, 4]);
    expect(criticalPathTo(run(), 70, 2)).toBe(Number.POSITIVE_INFINITY);
    // A window of one step is the serial chain on any number of workers.
    const windows = [0, 1, 2, 3].map((from) => ({ from, to: from + 1 }));
    expect(criticalPathTo(run({ windows }), 50, 4)).toBe(4);
  });
});

describe("tables and plots", () => {
  const runs = [run(), run({ photo: "coffee", psnr: [10, 52, 53, 54, 56, 63] }), run({ method: "deqir" })];

  it("show medians and worst cases, a row a method", () => {
    const [, , secant, deqir] = roundsTable(runs, [2]).split("\n");
    expect(secant).toMatch(/^\| 4 +\| inpaint \| secant \| 1 \(1\) +\| 1.5 \(2\) \| 2.5 \(4\) \| 5 \(5\)/);
    expect(secant).toContain("| 7 ");
    expect(deqir).toMatch(/deqir {2}\| 1 \(1\)/);
    expect(deqir).toContain("0 of 1");
  });

  it("say more than so many where rounds were bounded", () => {
    const open = run({ psnr: [10, 36, 45], stop: { rounds: Number.POSITIVE_INFINITY, psnr: 45 } });
    const [, , row] = roundsTable([run(), open, open], [2]).split("\n");
    expect(row).toMatch(/^\| 4 \| inpaint \| secant \| 1 \(1\) \| 2 \(2\) \| > 2 \(> 2\) \| > 2 \(> 2\)/);
    expect(row).toMatch(/\| > 2 \(> 2\) +\| 45.0 /);
    const [, , one] = roundsTable([run(), run(), open], [2]).split("\n");
    expect(one).toContain("| 4 (> 2) |");
  });

  it("compare with fewer steps", () => {
    const comparison = {
      workers: 2,
      criticalPath: 7,
      fewerSteps: 4,
      cut: { psnr: 24.123, ssim: 0.7 },
      rival: { psnr: 23.5, ssim: 0.65 },
    };
    const text = comparisonTable([{ run: run(), comparisons: [comparison] }]);
    expect(text).toMatch(/\| 4 \| inpaint \| 2 +\| 7 +\| 4 +\| 24.12 +\| 23.50 +\| 0.700 +\| 0.650/);
  });

  it("draw a line a method", () => {
    const panels = roundsPanels(runs);
    expect(panels).toHaveLength(1);
    expect(panels[0].series.map(({ name }) => name)).toEqual(["secant", "deqir"]);
    expect(panels[0].series[0].points[0]).toEqual({ x: 1, y: 44 });
    expect(panelsSvg("rounds", panels)).toContain("inpaint, T = 4");
  });
});
