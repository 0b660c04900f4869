/**
 * A job's manifest as text: what became of every item, one line each. As JSON Lines, and as CSV after RFC 4180 (CRLF, a first
 * line of names, cells quoted where they have to be). Both have the same columns in the same order; new ones are added at the
 * end only.
 */
import type { StandingOutcome } from "./standing-outcomes.js";

/** Columns in their order. `seconds` are seconds, `psnr` is dB, `at` is ISO 8601. */
export const manifestColumns = [
  "index",
  "key",
  "status",
  "output",
  "sha256",
  "errors",
  "generation",
  "deliveries",
  "worker",
  "plan",
  "rounds",
  "evaluations",
  "residual",
  "consistency",
  "psnr",
  "ssim",
  "seconds",
  "at",
] as const satisfies readonly (keyof StandingOutcome)[];

/** Lines are gathered up to this length (in UTF-16 code units), so that a consumer is not called for each of them. */
const chunkLength = 64 * 1024;

async function* chunksOf(
  head: string,
  outcomes: AsyncIterable<StandingOutcome>,
  lineOf: (outcome: StandingOutcome) => string,
): AsyncGenerator<string, void, undefined> {
  let chunk = head;
  for await (const outcome of outcomes) {
    chunk += lineOf(outcome);
    if (chunk.length < chunkLength) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}

/** JSON Lines: an object a line with all columns, `null` where a value is missing. Every chunk ends with a whole line. */
export function manifestJsonLines(outcomes: AsyncIterable<StandingOutcome>): AsyncIterable<string> {
  return chunksOf("", outcomes, (outcome) => `${JSON.stringify(outcome, [...manifestColumns])}\n`);
}

/** RFC 4180: a cell with a comma, a quote or a line break is quoted, quotes in it are doubled. */
const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function cellOf(value: StandingOutcome[(typeof manifestColumns)[number]]): string {
  if (value === null) return "";
  if (typeof value === "object") return value.length === 0 ? "" : quoted(JSON.stringify(value));
  return quoted(String(value));
}

/**
 * CSV in UTF-8 without a byte order mark. A missing value is an empty cell; `errors` is a JSON array, empty where there are
 * none. Values are as they are: a key that begins with `=` does so here too, so import it as text. Every chunk ends with a
 * whole line; without any outcome there is the line of names.
 */
export function manifestCsv(outcomes: AsyncIterable<StandingOutcome>): AsyncIterable<string> {
  return chunksOf(
    `${manifestColumns.join(",")}\r\n`,
    outcomes,
    (outcome) => `${manifestColumns.map((column) => cellOf(outcome[column])).join(",")}\r\n`,
  );
}
