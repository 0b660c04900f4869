/** What a worker's metrics show, looked up when they are asked for. */
import { setTotal, type WorkerMetrics } from "../shared/telemetry/metrics.js";
import { addTotals, wireTotals } from "../shared/wire/wire-traffic.js";
import type { EngineThread } from "./engine-thread.js";
import { type LifeState, transitions } from "./life.js";
import type { OpenWork } from "./open-work.js";

/** What a worker has once it has started. */
export interface WorkerParts {
  readonly engine: EngineThread;
  readonly work: OpenWork;
}

const states = Object.keys(transitions) as LifeState[];

/** Brings the metrics up to date. @param parts undefined before the worker has started */
export function showWorker(metrics: WorkerMetrics, now: LifeState, parts: WorkerParts | undefined): void {
  for (const state of states) metrics.state.set({ state }, state === now ? 1 : 0);
  metrics.wire.show(addTotals(wireTotals(), parts?.engine.wire ?? []));
  if (!parts) return;
  const { engine, work } = parts;
  const { totals, memory } = engine;
  const by = (value: "calls" | "seconds") =>
    totals.map((total) => ({ labels: { batch: String(total.batch) }, total: total[value] }));
  setTotal(metrics.calls, by("calls"));
  setTotal(metrics.callSeconds, by("seconds"));
  metrics.engineMemory.set({ kind: "buffers" }, memory.buffers);
  metrics.engineMemory.set({ kind: "heap" }, memory.heap);
  for (const kind of ["slice", "picture"] as const) metrics.held.set({ what: kind }, work.held(kind));
  const ends = Object.entries(work.pictureEnds);
  setTotal(
    metrics.pictures,
    ends.map(([status, total]) => ({ labels: { status }, total })),
  );
}
