/**
 * The metrics of the long-lived processes, in base units: seconds and bytes. Names and labels are documented in
 * docs/metrics.md, which a test holds to this file.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { observeExchanges, type WireTotal } from "../wire/wire-traffic.js";
import type { HttpRoute } from "./http-endpoint.js";

/** From a tiny network call to a serial chain of a large picture on a slow machine. */
const secondsBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800,
];
const roundBuckets = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 35, 50, 100];
const evaluationBuckets = [10, 25, 50, 75, 100, 150, 200, 300, 400, 600, 1000, 2000];
/** From a socket on this machine to a slow network with a large picture. */
const wireBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
/** Largest residual by its tolerance: at or below 1 the chain converged. */
const residualBuckets = [0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 1, 1.5, 3, 10, 100];

/** What every process tells of itself: processor, memory, event-loop lag, garbage collection. */
function processRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** `GET /metrics`. @param refresh called before, for what is looked up and not counted */
export const metricsRoute =
  (registry: Registry, refresh: () => void | Promise<void>): HttpRoute =>
  async () => {
    await refresh();
    return { contentType: "text/plain; version=0.0.4", body: await registry.metrics() };
  };

/** Sets a counter to a total that is counted elsewhere. */
export function setTotal<Label extends string>(
  counter: Counter<Label>,
  totals: readonly { readonly labels: Partial<Record<Label, string>>; readonly total: number }[],
): void {
  counter.reset();
  for (const { labels, total } of totals) counter.inc(labels, total);
}

/** What passes between coordinators and workers, as either side counts it. */
export class WireMetrics {
  readonly #messages: Counter<"way" | "direction" | "call">;
  readonly #bytes: Counter<"way" | "direction" | "call">;
  readonly #seconds: Counter<"way" | "direction" | "call">;

  constructor(registry: Registry) {
    const common = { registers: [registry], labelNames: ["way", "direction", "call"] as const };
    this.#messages = new Counter({
      ...common,
      name: "deqfleet_wire_messages_total",
      help: "Messages between coordinators and workers; in a lane, tensors.",
    });
    this.#bytes = new Counter({
      ...common,
      name: "deqfleet_wire_bytes_total",
      help: "Bytes of those messages as they are encoded, and of tensors in lanes.",
    });
    this.#seconds = new Counter({
      ...common,
      name: "deqfleet_wire_codec_seconds_total",
      help: "Seconds this process spent on encoding and decoding them; in a lane, on copying.",
    });
  }

  /** Brings the counters up to date. */
  show(totals: readonly WireTotal[]): void {
    const by = (value: "messages" | "bytes" | "seconds") =>
      totals.map(({ way, direction, call, [value]: total }) => ({ labels: { way, direction, call }, total }));
    setTotal(this.#messages, by("messages"));
    setTotal(this.#bytes, by("bytes"));
    setTotal(this.#seconds, by("seconds"));
  }
}

/** Of a coordinator. */
export class CoordinatorMetrics {
  readonly registry = processRegistry();
  readonly #in = { registers: [this.registry] };
  readonly wire = new WireMetrics(this.registry);

  readonly wireSeconds = new Histogram({
    ...this.#in,
    name: "deqfleet_wire_seconds",
    help: "What a worker's answer took beyond the worker's own work on it.",
    labelNames: ["exchange"] as const,
    buckets: wireBuckets,
  });

  readonly queueItems = new Gauge({
    ...this.#in,
    name: "deqfleet_queue_items",
    help: "Items of a job in the queue: waiting, or taken by some coordinator and not settled.",
    labelNames: ["job", "state"] as const,
  });
  readonly queueAge = new Gauge({
    ...this.#in,
    name: "deqfleet_queue_seconds_since_progress",
    help: "Seconds since an item of an active job last got an outcome.",
    labelNames: ["job"] as const,
  });
  readonly jobAge = new Gauge({
    ...this.#in,
    name: "deqfleet_job_age_seconds",
    help: "Seconds since a job that is not at its end was submitted: no item in its queue has waited longer.",
    labelNames: ["job"] as const,
  });
  readonly items = new Counter({
    ...this.#in,
    name: "deqfleet_items_total",
    help: "Items that this coordinator brought to an outcome.",
    labelNames: ["job", "status"] as const,
  });
  readonly retries = new Counter({
    ...this.#in,
    name: "deqfleet_item_retries_total",
    help: "Items given back to the queue after an attempt that failed.",
    labelNames: ["job"] as const,
  });
  readonly itemSeconds = new Histogram({
    ...this.#in,
    name: "deqfleet_item_seconds",
    help: "From the delivery of an item to its outcome.",
    labelNames: ["plan", "status"] as const,
    buckets: secondsBuckets,
  });
  readonly rounds = new Histogram({
    ...this.#in,
    name: "deqfleet_rounds",
    help: "Rounds of a chain that was cut.",
    labelNames: ["task"] as const,
    buckets: roundBuckets,
  });
  readonly evaluations = new Histogram({
    ...this.#in,
    name: "deqfleet_evaluations",
    help: "Network evaluations of a picture.",
    labelNames: ["task", "plan"] as const,
    buckets: evaluationBuckets,
  });
  readonly residualAtStop = new Histogram({
    ...this.#in,
    name: "deqfleet_residual_at_stop_ratio",
    help: "Largest residual of a cut chain when it ended, by its tolerance.",
    labelNames: ["task"] as const,
    buckets: residualBuckets,
  });
  readonly jobs = new Gauge({
    ...this.#in,
    name: "deqfleet_jobs",
    help: "Jobs by state.",
    labelNames: ["state"] as const,
  });
  readonly workers = new Gauge({
    ...this.#in,
    name: "deqfleet_workers",
    help: "Workers registered with this coordinator, by state.",
    labelNames: ["state"] as const,
  });
  readonly workerLosses = new Counter({
    ...this.#in,
    name: "deqfleet_worker_losses_total",
    help: "Workers that fell silent or broke off without leaving.",
  });

  /** Counts the exchanges of this process from now on. */
  observeExchanges(): void {
    observeExchanges((exchange, seconds) => this.wireSeconds.observe({ exchange }, seconds));
  }
}

/** Of a worker. */
export class WorkerMetrics {
  readonly registry = processRegistry();
  readonly #in = { registers: [this.registry] };
  readonly wire = new WireMetrics(this.registry);

  readonly callSeconds = new Counter({
    ...this.#in,
    name: "deqfleet_evaluation_seconds_total",
    help: "Seconds in calls of the network, by the states in a call.",
    labelNames: ["batch"] as const,
  });
  readonly calls = new Counter({
    ...this.#in,
    name: "deqfleet_evaluation_calls_total",
    help: "Calls of the network, by the states in a call.",
    labelNames: ["batch"] as const,
  });
  readonly pictures = new Counter({
    ...this.#in,
    name: "deqfleet_worker_pictures_total",
    help: "Whole pictures that this worker brought to an end.",
    labelNames: ["status"] as const,
  });
  readonly held = new Gauge({
    ...this.#in,
    name: "deqfleet_worker_held",
    help: "What the worker has in hand: slices of cut chains, whole pictures.",
    labelNames: ["what"] as const,
  });
  readonly state = new Gauge({
    ...this.#in,
    name: "deqfleet_worker_state",
    help: "1 for the state the worker is in, 0 for the others.",
    labelNames: ["state"] as const,
  });
  readonly engineMemory = new Gauge({
    ...this.#in,
    name: "deqfleet_engine_memory_bytes",
    help: "Memory of the engine's thread beyond the network's session: buffers (states, kernels, tensors), and heap.",
    labelNames: ["kind"] as const,
  });
}
