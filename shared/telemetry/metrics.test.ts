import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../package-root.js";
import { CoordinatorMetrics, metricsRoute, setTotal, WorkerMetrics } from "./metrics.js";

describe("metrics", () => {
  it("are all documented, with their kinds and labels, and no others", async () => {
    const text = await readFile(new URL("docs/metrics.md", packageRoot), "utf8");
    const documented = [...text.matchAll(/^\| `(deqfleet_\w+)` \| (\w+) \|([^|]*)\|/gm)].map(
      ([, name, kind, labels]) => `${name} ${kind} ${labels.replaceAll(/[`\s]/g, "")}`,
    );
    const defined: string[] = [];
    for (const { registry } of [new CoordinatorMetrics(), new WorkerMetrics()]) {
      for (const metric of registry.getMetricsAsArray()) {
        if (!metric.name.startsWith("deqfleet_")) continue;
        const { labelNames } = metric as unknown as { labelNames: readonly string[] };
        const { type } = (await registry.getMetricsAsJSON()).find(({ name }) => name === metric.name)!;
        defined.push(`${metric.name} ${type} ${labelNames.join(",")}`);
      }
    }
    expect(documented.sort()).toEqual(defined.sort());
  });

  it("are brought up to date when they are asked for", async () => {
    const metrics = new WorkerMetrics();
    let calls = 0;
    const route = metricsRoute(metrics.registry, () => {
      calls += 3;
      setTotal(metrics.calls, [{ labels: { batch: "4" }, total: calls }]);
    });
    await route();
    const { body, contentType } = await route();
    expect(contentType).toMatch(/^text\/plain/);
    expect(body).toContain('deqfleet_evaluation_calls_total{batch="4"} 6\n');
  });
});
