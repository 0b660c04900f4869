/**
 * What network calls cost each worker of a fleet: measured once, and kept in the user's cache folder for the next runs.
 *
 * A file is named after all that decides over the costs: the model, the size, the runtime, and of each worker its device and its
 * threads, on which machine. Where one of them is another, so is the file.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { cpus, homedir, hostname } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type CostCurve, costCurve } from "../../shared/fleet/cost-curve.js";
import { type CostPoint, costPointSchema } from "../../shared/fleet/cost-point.js";
import type { PictureSize } from "../../shared/operators/task.js";
import { writeFileAtomic } from "../../shared/pictures/atomic-write.js";
import type { Fleet } from "../fleet.js";

/** Seconds that measuring takes, about, where nothing is known yet. */
export const measuringSeconds = 1;

/** Larger pictures are measured at this many pixels, and taken to cost in proportion. */
const mostPixels = 128 * 128;

const fileSchema = z.strictObject({ workers: z.array(z.array(costPointSchema).min(1)).min(1) });

/** Where deqfleet keeps what it can find out again: `$XDG_CACHE_HOME/deqfleet`, else `~/.cache/deqfleet`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CACHE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "deqfleet");
}

/** What costs are asked of. */
export interface CostQuestion {
  readonly fleet: Fleet;
  /** Version of ONNX Runtime. */
  readonly runtime: string;
  /** Of the chains' canvases, as far as is known. */
  readonly size: PictureSize;
  /** Folder of the cache. */
  readonly folder: string;
  /** Whether to measure what the cache does not know. */
  readonly measure: boolean;
  readonly signal: AbortSignal;
}

/** Costs of each worker, and where they are from. */
export interface WorkerCosts {
  readonly curves: readonly CostCurve[];
  readonly source: "cached" | "measured";
}

/** The size that is measured in place of one. */
export function measuredSize({ height, width }: PictureSize, multiple: number): PictureSize {
  const scale = Math.min(1, Math.sqrt(mostPixels / (height * width)));
  const side = (length: number) => Math.max(multiple, Math.floor((length * scale) / multiple) * multiple);
  return scale === 1 ? { height, width } : { height: side(height), width: side(width) };
}

/** Cost curves from measured calls, for states of `size`. */
export function curvesOf(workers: readonly (readonly CostPoint[])[], size: PictureSize): CostCurve[] {
  const pixels = size.height * size.width;
  return workers.map((points) => {
    // A larger batch never costs less: what says so is noise, and would tell the planner to fill it up.
    let least = 0;
    const rising = points
      .toSorted((a, b) => a.batch - b.batch)
      .map(({ batch, height, width, seconds }) => {
        least = Math.max(least, (seconds * pixels) / (height * width));
        return { batch, seconds: least };
      });
    return costCurve(rising);
  });
}

/** Where what is known of a question is kept, and the size that it is known for. */
function placeOf({ fleet, runtime, size, folder }: Omit<CostQuestion, "measure" | "signal">): {
  readonly path: string;
  readonly at: PictureSize;
} {
  const { hash, sizeMultiple, fixedSize } = fleet.network;
  const at = fixedSize ?? measuredSize(size, sizeMultiple);
  const machine = [hostname(), cpus()[0]?.model ?? ""];
  const workers = fleet.workers().map(({ device, threads, version }) => [device, threads, version]);
  const key = createHash("sha256")
    .update(JSON.stringify([hash, at, runtime, machine, workers]))
    .digest("hex");
  return { path: join(folder, "costs", `${key}.json`), at };
}

/**
 * Keeps what calls have cost in the run that ends: the next one is planned by it. Costs measured on a machine that was busy at that
 * moment are corrected so.
 */
export async function learnCosts(question: Omit<CostQuestion, "measure">): Promise<void> {
  const { fleet, signal } = question;
  const { path, at } = placeOf(question);
  if (!fleet.measure) return;
  const known =
    (await readCosts(path, fleet.host.width)) ?? Array.from({ length: fleet.host.width }, () => []);
  const newest = await fleet.measure(0, at, signal);
  const merged = known.map((points, worker) => {
    const found = new Map(points.map((point) => [point.batch, point]));
    for (const point of newest[worker]) found.set(point.batch, point);
    return [...found.values()].sort((a, b) => a.batch - b.batch);
  });
  // A curve begins with one state.
  if (merged.every(([first]) => first?.batch === 1)) await writeCosts(path, merged);
}

/** @returns undefined if the workers cannot be asked, or nothing is known and nothing was to be measured */
export async function workerCosts(question: CostQuestion): Promise<WorkerCosts | undefined> {
  const { fleet, size, measure, signal } = question;
  if (!fleet.measure) return undefined;
  const { path, at } = placeOf(question);
  const known = await readCosts(path, fleet.host.width);
  if (known) return { curves: curvesOf(known, size), source: "cached" };
  if (!measure) return undefined;
  const measured = await fleet.measure(measuringSeconds, at, signal);
  // A cache that cannot be written costs the next run a second.
  await writeCosts(path, measured).catch(() => {});
  return { curves: curvesOf(measured, size), source: "measured" };
}

async function readCosts(path: string, workers: number): Promise<CostPoint[][] | undefined> {
  try {
    const { data } = fileSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    return data?.workers.length === workers ? data.workers : undefined;
  } catch {
    return undefined;
  }
}

async function writeCosts(path: string, workers: readonly (readonly CostPoint[])[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify({ workers })}\n`));
}
