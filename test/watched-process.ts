/** Processes under watch: what their metrics and logs say. */
import { setTimeout as delay } from "node:timers/promises";
import { becomesTrue } from "./processes.js";
import type { ServiceProcess } from "./service-process.js";

/** Samples of one scrape by name and labels, as they are written. */
export type Scrape = ReadonlyMap<string, number>;

export async function scrape(port: string): Promise<Scrape> {
  const body = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return new Map(
    [...body.matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)].map(([, sample, value]) => [sample!, Number(value)]),
  );
}

/** One process: its output, its port of metrics, and the largest value that any scrape of it showed of each sample. */
export interface Watched {
  readonly process: ServiceProcess;
  readonly port: string;
  readonly largest: Map<string, number>;
}

/** The name of a sample of what crosses between coordinator and workers. */
export const wireSample = (what: string, way: string, direction: string, call: string) =>
  `deqfleet_wire_${what}_total{way="${way}",direction="${direction}",call="${call}"}`;

/** JSON lines of a log. */
export const linesOf = ({ process }: Watched): Record<string, unknown>[] =>
  process.output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Begins to watch a process that serves metrics. */
export async function watch(process: ServiceProcess): Promise<Watched> {
  const [, port] = await process.prints(/HTTP on port (\d+)/);
  return { process, port: port!, largest: new Map() };
}

/** One scrape. */
export async function look(watched: Watched): Promise<Scrape> {
  const seen = await scrape(watched.port);
  for (const [sample, value] of seen) {
    watched.largest.set(sample, Math.max(value, watched.largest.get(sample) ?? value));
  }
  return seen;
}

/** Looks at the processes again and again while something is done. */
export async function lookWhile<Result>(work: Promise<Result>, ...processes: Watched[]): Promise<Result> {
  let over = false;
  const ended = work.finally(() => {
    over = true;
  });
  ended.catch(() => {});
  while (!over) {
    await Promise.all([...processes.map(look), delay(20)]);
  }
  return ended;
}

/** Waits until a process shows a value that satisfies. */
export async function shows(
  watched: Watched,
  sample: string,
  satisfies: (value: number) => boolean,
): Promise<void> {
  const found = await becomesTrue(20_000, async () => satisfies((await look(watched)).get(sample) ?? 0));
  if (!found) throw new Error(`${sample} was ${(await look(watched)).get(sample)} to the end`);
}
