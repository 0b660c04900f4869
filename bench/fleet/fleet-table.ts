/** The rows of a study as a table, and as plots. */
import { table } from "../table.js";
import { planText } from "./fleet-model.js";
import type { FleetRow } from "./fleet-row.js";
import { type Panel, panelsSvg, type Series } from "./line-plot.js";

/** Three significant digits, and no exponent where people read seconds. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(0)} %` : "-");

const header = [
  "workers",
  "plan",
  "side by side",
  "latency s",
  "p95 s",
  "speed-up",
  "pictures/s",
  "evaluations a picture",
  "utilisation",
  "efficiency",
  "coordinator",
];

/** A Markdown table; losses and failed pictures get columns where there are any. */
export function fleetTable(rows: readonly FleetRow[]): string {
  const withLosses = rows.some(({ losses }) => losses > 0);
  const cells = rows.map((row) => [
    String(row.workers),
    planText(row.plan),
    String(row.sideBySide),
    digits(row.latency.median),
    digits(row.latency.p95),
    digits(row.speedUp),
    digits(row.throughput),
    digits(row.evaluationsPerPicture),
    percent(row.utilisation),
    percent(row.efficiency),
    percent(row.coordinator),
    ...(withLosses ? [String(row.losses), String(row.failed)] : []),
  ]);
  return table([...header, ...(withLosses ? ["losses", "failed"] : [])], cells);
}

/** One line a plan. Cuts over all workers are one line, which ends where every step has a worker. */
function seriesOf(rows: readonly FleetRow[], value: (row: FleetRow) => number): Series[] {
  const most = Math.max(0, ...rows.map(({ plan }) => (plan.kind === "cut" ? plan.slices : 0)));
  const joined = rows.some(
    ({ plan, workers }) => plan.kind === "cut" && plan.slices === workers && workers < most,
  );
  const nameOf = ({ plan, workers }: FleetRow) =>
    joined && plan.kind === "cut" && plan.slices === Math.min(workers, most)
      ? `cut over all workers, at most ${most} a chain`
      : planText(plan);
  const names = [...new Set(rows.map(nameOf))];
  return names.map((name) => ({
    name,
    points: rows.filter((row) => nameOf(row) === name).map((row) => ({ x: row.workers, y: value(row) })),
  }));
}

const measures: readonly (Pick<Panel, "title" | "y"> & { readonly value: (row: FleetRow) => number })[] = [
  { title: "Latency of a picture, s (median)", y: "log", value: ({ latency }) => latency.median },
  { title: "Pictures per second", y: "log", value: ({ throughput }) => throughput },
  { title: "Efficiency, %", y: "from zero", value: ({ efficiency }) => 100 * efficiency },
  {
    title: "Evaluations per picture",
    y: "from zero",
    value: ({ evaluationsPerPicture }) => evaluationsPerPicture,
  },
];

/** Four plots over the number of workers. */
export function fleetSvg(rows: readonly FleetRow[], title: string): string {
  const panels = measures.map(({ title: name, y, value }) => ({
    title: name,
    xLabel: "workers",
    y,
    series: seriesOf(rows, value),
  }));
  return panelsSvg(title, panels);
}
