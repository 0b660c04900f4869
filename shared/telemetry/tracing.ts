/**
 * A picture's life as an OpenTelemetry trace across processes: off unless an endpoint is given. Where it is off, the API's
 * own no-op spans cost next to nothing, and nothing of the exporter is loaded.
 */
import { Metadata } from "@grpc/grpc-js";
import { context, propagation, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import { DeqfleetError } from "../errors.js";
import { version } from "../version.js";
import type { SpanAttributes, TimedPart } from "./timed-parts.js";

const tracerName = "deqfleet";

/** Where traces go. */
export interface TracingSettings {
  /** OTLP over HTTP, e.g. `http://collector:4318/v1/traces`. */
  readonly endpoint: string;
  /** `coordinator`, `worker` or `restore`. */
  readonly role: string;
  readonly name: string;
}

/**
 * Starts exporting the spans of this process.
 * @returns flushes and ends it
 */
export async function startTracing(settings: TracingSettings): Promise<() => Promise<void>> {
  const [{ OTLPTraceExporter }, { resourceFromAttributes }, node] = await Promise.all([
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/resources"),
    import("@opentelemetry/sdk-trace-node"),
  ]);
  const provider = new node.NodeTracerProvider({
    resource: resourceFromAttributes({
      "service.name": `deqfleet-${settings.role}`,
      "service.instance.id": settings.name,
      "service.version": version,
    }),
    spanProcessors: [new node.BatchSpanProcessor(new OTLPTraceExporter({ url: settings.endpoint }))],
  });
  provider.register();
  return () => provider.shutdown();
}

/**
 * Runs `work` within a span, which ends with it. Spans begun inside become its children, in this process and, by way of
 * {@link traceMetadata}, in others.
 */
export function withSpan<Result>(
  name: string,
  attributes: SpanAttributes,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  return trace.getTracer(tracerName, version).startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      markFailed(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The metadata of a call that belongs to the span at hand (W3C trace context); empty where tracing is off. */
export function traceMetadata(): Metadata {
  const metadata = new Metadata();
  propagation.inject(context.active(), metadata, { set: (carrier, key, value) => carrier.set(key, value) });
  return metadata;
}

/** Runs `work` as a part of the trace that the call's metadata names, if it names one. */
export function withinTrace<Result>(metadata: Metadata, work: () => Promise<Result>): Promise<Result> {
  const parent = propagation.extract(context.active(), metadata, {
    get: (carrier, key) => carrier.get(key).map(String),
    keys: (carrier) => Object.keys(carrier.getMap()),
  });
  return context.with(parent, work);
}

/** Adds parts as children to the span at hand. */
export function addParts(parts: readonly TimedPart[]): void {
  // Spans that nobody records need no children.
  if (!trace.getActiveSpan()?.isRecording()) return;
  const tracer = trace.getTracer(tracerName, version);
  for (const { name, start, end, attributes = {} } of parts) {
    tracer.startSpan(name, { startTime: start, attributes }).end(end);
  }
}

/** Notes a moment on the span at hand. */
export function addMoment(name: string, attributes: SpanAttributes): void {
  trace.getActiveSpan()?.addEvent(name, attributes);
}

/** Says that the work of a span failed, where the error is answered and not thrown. */
export function markFailed(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: DeqfleetError.messageOf(error) });
}
