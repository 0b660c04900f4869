import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTracing, traceMetadata, withinTrace, withSpan } from "./tracing.js";

interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: object }[] };
    readonly scopeSpans: readonly { readonly spans: readonly ExportedSpan[] }[];
  }[];
}

/** A collector that keeps what it receives. */
let collector: Server;
const received: Export[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      received.push(JSON.parse(Buffer.concat(parts).toString()));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
});
afterAll(() => collector.close());

describe("tracing", () => {
  it("is off by default: no context goes along with calls", async () => {
    const metadata = await withSpan("picture", {}, async () => traceMetadata());
    expect(metadata.getMap()).toEqual({});
  });

  it("exports spans that are tied together across a call", async () => {
    const { port } = collector.address() as AddressInfo;
    const stop = await startTracing({
      endpoint: `http://127.0.0.1:${port}/v1/traces`,
      role: "coordinator",
      name: "c-1",
    });
    const metadata = await withSpan("picture", { "deqfleet.picture": "a.png" }, async () => traceMetadata());
    expect(metadata.get("traceparent")).toHaveLength(1);
    const failed = withinTrace(metadata, () =>
      withSpan("slice", { "deqfleet.steps": 5 }, async () => {
        throw new Error("lost");
      }),
    );
    await expect(failed).rejects.toThrow("lost");
    await stop();
    const spans = received.flatMap((e) =>
      e.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans)),
    );
    const [picture, slice] = ["picture", "slice"].map((name) => spans.find((span) => span.name === name)!);
    expect(slice.traceId).toBe(picture.traceId);
    expect(slice.parentSpanId).toBe(picture.spanId);
    expect(slice.status).toMatchObject({ code: 2, message: "lost" });
    expect(picture.attributes).toContainEqual({ key: "deqfleet.picture", value: { stringValue: "a.png" } });
    expect(received[0].resourceSpans[0].resource.attributes).toContainEqual({
      key: "service.name",
      value: { stringValue: "deqfleet-coordinator" },
    });
  });
});
