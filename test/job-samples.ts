/** Jobs, items and outcomes for tests. */
import type { DeadLetter } from "../coordinator/jobs/job-log.js";
import type { JobRecord } from "../shared/jobs/job.js";
import type { ItemOutcome, WorkItem } from "../shared/jobs/work-item.js";

const at = "2026-01-02T03:04:05.678Z";

export function jobRecord(name: string, change: Partial<JobRecord> = {}): JobRecord {
  return {
    spec: {
      name,
      input: "file:///in",
      output: "file:///out",
      restoration: {
        task: { task: "colorize" },
        simulate: false,
        steps: 4,
        start: 1000,
        spacing: "uniform",
        etw: 0,
        nw: 0,
        seed: 0,
        method: "secant",
        tol: 0.1,
        maxRounds: null,
        window: null,
        plan: "auto",
        maxPixels: 1 << 20,
      },
      model: "0".repeat(64),
      mask: null,
      priority: 5,
      weight: 1,
      goal: "throughput",
      maxDeliveries: 3,
    },
    state: "active",
    pausedBecause: null,
    listed: 0,
    cursor: null,
    listedAll: false,
    generation: 0,
    requeue: [],
    requeued: 0,
    counts: null,
    createdAt: at,
    updatedAt: at,
    finishedAt: null,
    ...change,
  };
}

export const workItem = (index: number, generation = 0): WorkItem => ({
  index,
  generation,
  key: `folder/${index}.png`,
  bytes: 1000 + index,
});

/** Items `from` to `to - 1`. */
export const workItems = (from: number, to: number): WorkItem[] =>
  Array.from({ length: to - from }, (_, i) => workItem(from + i));

export function itemOutcome(index: number, change: Partial<ItemOutcome> = {}): ItemOutcome {
  return {
    index,
    generation: 0,
    key: `${index}.png`,
    status: "done",
    output: `${index}.png`,
    sha256: "ab".repeat(32),
    errors: [],
    deliveries: 1,
    worker: "worker-1",
    plan: "serial",
    rounds: null,
    evaluations: 4,
    residual: null,
    consistency: 1e-3,
    psnr: null,
    ssim: null,
    seconds: 0.25,
    at,
    ...change,
  };
}

export const deadLetter = (index: number, ...errors: string[]): DeadLetter => ({
  item: workItem(index),
  errors,
  at,
});
