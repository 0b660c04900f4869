/** The alerts and the dashboard, which the chart and the compose file share. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../shared/package-root.js";
import { CoordinatorMetrics, WorkerMetrics } from "../../shared/telemetry/metrics.js";

const pathOf = (name: string) => fileURLToPath(new URL(name, packageRoot));
const rules = pathOf("helm/deqfleet/rules/deqfleet.yaml");
const dashboard = pathOf("helm/deqfleet/dashboards/deqfleet.json");

let promtool: string;
let folder: string;
beforeAll(async () => {
  const script = pathOf("scripts/install-promtool.js");
  promtool = execFileSync(process.execPath, [script], { encoding: "utf8" }).trim();
  folder = await mkdtemp(join(tmpdir(), "deqfleet-alerts-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Metric {
  readonly name: string;
  readonly labelNames: readonly string[];
}

/** Every series that a coordinator or a worker serves, with its labels. */
function served(): Map<string, readonly string[]> {
  const series = new Map<string, readonly string[]>();
  for (const { registry } of [new CoordinatorMetrics(), new WorkerMetrics()]) {
    for (const metric of registry.getMetricsAsArray()) {
      const { name, labelNames } = metric as unknown as Metric;
      for (const suffix of ["", "_bucket", "_sum", "_count"]) series.set(name + suffix, labelNames);
    }
  }
  return series;
}

/** The names of metrics in an expression, and the labels that are asked of them. */
const metricsIn = (text: string) =>
  [...text.matchAll(/\b((?:deqfleet|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)].map(([, name, labels = ""]) => ({
    name: name!,
    labels: [...labels.matchAll(/(\w+)\s*[=!]~?/g)].map(([, label]) => label!),
  }));

describe("alerts", () => {
  it("are rules to promtool", () => {
    const said = execFileSync(promtool, ["check", "rules", rules], { encoding: "utf8" });
    expect(said).toContain("SUCCESS: 6 rules found");
  });

  it("go off at a fleet in trouble, and at no other", async () => {
    const played = await readFile(pathOf("test/chart/alerts.yaml"), "utf8");
    const file = join(folder, "alerts.yaml");
    await writeFile(file, played.replace("RULES", rules));
    expect(execFileSync(promtool, ["test", "rules", file], { encoding: "utf8" })).toContain("SUCCESS");
  });
});

describe("alerts and dashboard", () => {
  it("ask for metrics and labels that are served", async () => {
    const known = served();
    const { panels, templating } = JSON.parse(await readFile(dashboard, "utf8"));
    const asked = [
      await readFile(rules, "utf8"),
      ...panels.flatMap((panel: { targets?: { expr: string }[] }) =>
        (panel.targets ?? []).map(({ expr }) => expr),
      ),
      ...templating.list.map(({ query }: { query: { query?: string } }) => query.query ?? ""),
    ].flatMap(metricsIn);
    expect(asked.length).toBeGreaterThan(40);
    for (const { name, labels } of asked) {
      expect([...known.keys()]).toContain(name);
      expect([...known.get(name)!, "instance", "le"]).toEqual(expect.arrayContaining(labels));
    }
  });

  it("have an identity that provisioning keeps, and panels that do not overlap", async () => {
    const { uid, panels } = JSON.parse(await readFile(dashboard, "utf8"));
    expect(uid).toBe("deqfleet");
    const cells = panels.flatMap(
      ({ gridPos: { x, y, w, h } }: { gridPos: Record<"x" | "y" | "w" | "h", number> }) =>
        Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(panels.map(({ id }: { id: number }) => id)).size).toBe(panels.length);
  });
});
