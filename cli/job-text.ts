/** Jobs as text. */
import type { JobStatus__Output } from "../shared/wire/generated/deqfleet/v1/JobStatus.js";
import { clockTime } from "./progress.js";

const noCounts = { done: 0, failed: 0, dead: 0, dropped: 0 };

/** Pictures that are known of; more may follow while the listing goes on. */
const knownText = ({ state, listed, listedAll }: JobStatus__Output): string =>
  state === "unknown" ? "?" : `${listed}${listedAll ? "" : "+"}`;

const countText = (count: number | undefined): string => (count === undefined ? "?" : String(count));

const rateText = (rate: number): string => (rate >= 10 ? rate.toFixed(0) : rate.toFixed(2));

/** Its state, and what keeps it. */
export function stateText({ state, pausedBecause, waitingFor, trouble }: JobStatus__Output): string {
  if (trouble !== "") return `${state}: ${trouble}`;
  if (pausedBecause !== "") return `${state}: ${pausedBecause}`;
  return waitingFor === "" ? state : `${state}: ${waitingFor}`;
}

/** `120 of 400, 2 failed, 1 given up`. */
export function countsText(job: JobStatus__Output): string {
  const { done, failed, dead, dropped } = job.counts ?? noCounts;
  const parts = [`${done} of ${knownText(job)} restored`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (dead > 0) parts.push(`${dead} given up`);
  if (dropped > 0) parts.push(`${dropped} dropped`);
  return parts.join(", ");
}

/** One line of a job that goes on: counts, rate, time left, and what is being worked on. */
export function progressText(job: JobStatus__Output): string {
  const parts = [countsText(job)];
  if (job.rate > 0) parts.push(`${rateText(job.rate)}/s`);
  if (job.secondsLeft !== undefined && job.rate > 0) parts.push(`${clockTime(job.secondsLeft)} left`);
  const [first] = job.running;
  if (first) {
    const rounds = first.round > 0 ? `, round ${first.round}` : "";
    const residual = first.residual === undefined ? "" : `, residual ${first.residual.toPrecision(2)}`;
    const others = job.running.length > 1 ? ` and ${job.running.length - 1} more` : "";
    parts.push(`${first.key}${rounds}${residual}${others}`);
  }
  if (job.state !== "active" || job.waitingFor !== "" || job.trouble !== "") parts.push(stateText(job));
  return parts.join("; ");
}

const columns: readonly (readonly [string, (job: JobStatus__Output) => string])[] = [
  ["JOB", ({ spec }) => spec?.name ?? ""],
  ["STATE", ({ state }) => state],
  ["PICTURES", knownText],
  ["DONE", ({ counts }) => countText(counts?.done)],
  ["FAILED", ({ counts }) => countText(counts?.failed)],
  ["GIVEN UP", ({ counts }) => countText(counts?.dead)],
  ["PRIORITY", ({ spec }) => String(spec?.priority ?? 0)],
  ["CREATED", ({ createdAt }) => createdAt.replace(/\.\d+Z$/, "Z")],
];

/** A table with a heading, columns two spaces apart; below it what keeps jobs from going on. */
export function jobsTable(jobs: readonly JobStatus__Output[]): string {
  const rows = [
    columns.map(([heading]) => heading),
    ...jobs.map((job) => columns.map(([, cell]) => cell(job))),
  ];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  const troubles = jobs.flatMap(({ spec, trouble }) => (trouble === "" ? [] : [`${spec?.name}: ${trouble}`]));
  return [...lines, ...troubles].map((line) => `${line}\n`).join("");
}
