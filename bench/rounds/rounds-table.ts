/** Runs as tables and as plots. */
import type { MethodName } from "../../shared/chain/method.js";
import type { Panel } from "../fleet/line-plot.js";
import { median, table } from "../table.js";
import { type ChainRun, criticalPathTo, equalDecibels, evaluationsTo, roundsTo } from "./chain-run.js";
import type { Comparison } from "./fewer-steps.js";

/** dB against the serial picture that rounds are counted to. */
export const levels = [35, 40, 50, 60] as const;

const shown = (value: number): string => (Number.isFinite(value) ? String(value) : "never");

/** Rounds as median (worst); where they are more than were looked at, more than those. */
function medianAndWorst(row: readonly ChainRun[], roundsOf: (run: ChainRun) => number): string {
  const values = row.map(roundsOf);
  const open = row.filter((_, i) => !Number.isFinite(values[i]));
  const bound = Math.min(...open.map(({ psnr }) => psnr.length - 1));
  const rounds = (value: number) => (Number.isFinite(value) ? String(value) : `> ${bound}`);
  return `${rounds(median(values))} (${rounds(Math.max(...values))})`;
}

/** Runs by what makes a row: T, task and method, in the order in which they came. */
export function rowsOf(runs: readonly ChainRun[]): ChainRun[][] {
  const rows = new Map<string, ChainRun[]>();
  for (const run of runs) {
    const key = `${run.steps} ${run.task} ${run.method}`;
    rows.set(key, [...(rows.get(key) ?? []), run]);
  }
  return [...rows.values()];
}

/** Rounds, evaluations and critical paths: median (worst) over photographs and seeds. */
export function roundsTable(runs: readonly ChainRun[], workers: readonly number[]): string {
  const header = [
    "T",
    "task",
    "method",
    ...levels.map((level) => `${level} dB`),
    `evaluations to ${equalDecibels} dB`,
    ...workers.map((count) => `one after the other, ${count} workers`),
    "stops at tol 0.1",
    "worst dB there",
    "gave up",
  ];
  const rows = rowsOf(runs).map((row) => [
    String(row[0].steps),
    row[0].task,
    row[0].method,
    ...levels.map((level) => medianAndWorst(row, (run) => roundsTo(run, level))),
    shown(median(row.map((run) => evaluationsTo(run, equalDecibels)))),
    ...workers.map((count) => shown(median(row.map((run) => criticalPathTo(run, equalDecibels, count))))),
    medianAndWorst(row, (run) => run.stop.rounds),
    Math.min(...row.map((run) => run.stop.psnr)).toFixed(1),
    `${row.filter((run) => run.plainFrom !== undefined).length} of ${row.length}`,
  ]);
  return table(header, rows);
}

/** One chain's comparisons, for the table. */
export interface ComparedRun {
  readonly run: ChainRun;
  readonly comparisons: readonly Comparison[];
}

/** Cut chains and serial chains of equal latency: medians over photographs and seeds. */
export function comparisonTable(compared: readonly ComparedRun[]): string {
  const rows = new Map<string, { run: ChainRun; all: Comparison[] }>();
  for (const { run, comparisons } of compared)
    for (const comparison of comparisons) {
      const key = `${run.steps} ${run.task} ${comparison.workers}`;
      const row = rows.get(key) ?? { run, all: [] };
      row.all.push(comparison);
      rows.set(key, row);
    }
  const of = (all: readonly Comparison[], value: (c: Comparison) => number) => median(all.map(value));
  return table(
    [
      "T",
      "task",
      "workers",
      "one after the other",
      "fewer steps",
      "PSNR cut",
      "PSNR fewer",
      "SSIM cut",
      "SSIM fewer",
    ],
    [...rows.values()].map(({ run, all }) => [
      String(run.steps),
      run.task,
      String(all[0].workers),
      shown(of(all, (c) => c.criticalPath)),
      String(of(all, (c) => c.fewerSteps)),
      of(all, (c) => c.cut.psnr).toFixed(2),
      of(all, (c) => c.rival.psnr).toFixed(2),
      of(all, (c) => c.cut.ssim).toFixed(3),
      of(all, (c) => c.rival.ssim).toFixed(3),
    ]),
  );
}

/** dB against the serial picture over rounds, a panel a task and T, a line a method: medians. */
export function roundsPanels(runs: readonly ChainRun[]): Panel[] {
  const panels = new Map<string, { name: MethodName; points: { x: number; y: number }[] }[]>();
  for (const row of rowsOf(runs)) {
    const { task, steps, method } = row[0];
    const title = `${task}, T = ${steps}: dB against the serial picture`;
    const rounds = Math.min(...row.map(({ psnr }) => psnr.length)) - 1;
    const points = Array.from({ length: rounds }, (_, k) => ({
      x: k + 1,
      // Equal pictures are infinitely close; a plot ends somewhere.
      y: Math.min(100, median(row.map(({ psnr }) => psnr[k + 1]))),
    }));
    panels.set(title, [...(panels.get(title) ?? []), { name: method, points }]);
  }
  return [...panels].map(([title, series]) => ({ title, xLabel: "rounds", y: "from zero", series }));
}
