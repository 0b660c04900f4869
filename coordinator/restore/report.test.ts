import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveRestoreSettings } from "../../shared/config/restore-settings.js";
import { finite } from "../../shared/finite.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { describeMachine, describeVersions } from "./machine.js";
import { countItems, type RestoreReport, reportSchema, writeReport } from "./report.js";
import { emptyItem } from "./report-item.js";

const settings = resolveRestoreSettings(
  ["in"],
  { out: "/out", task: "colorize" },
  {},
  { cwd: "/", defaultModel: "/m.onnx" },
);

const item = emptyItem(
  { input: "/in/a.png", output: "/out/a.png", measurement: undefined, relativePath: "a.png" },
  settings,
);

const report: RestoreReport = {
  schemaVersion: 2,
  run: {
    status: "cancelled",
    settings,
    model: { path: "/m.onnx", hash: "00" },
    machine: describeMachine(),
    workers: [],
    versions: describeVersions(),
    plan: {
      ...{ requested: "auto", goal: "throughput", chosen: null, sideBySide: null, slices: null },
      ...{ reason: "no chain was run", costs: null, predicted: null, outcome: null, alternatives: [] },
    },
    startedAt: "2024-05-06T07:08:09.000Z",
    finishedAt: "2024-05-06T07:08:10.500Z",
    seconds: 1.5,
    counts: countItems([item]),
  },
  items: [item],
};

/** Field names in the tables of a document: the first code span of each row. */
const documented = (text: string): Set<string> =>
  new Set([...text.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]!));

describe("the report", () => {
  it("has exactly the agreed fields for a picture", () => {
    expect(Object.keys(reportSchema.shape.items.element.shape)).toEqual([
      "input",
      "output",
      "status",
      "plan",
      "method",
      "steps",
      "rounds",
      "evaluations",
      "residuals",
      "converged",
      "consistency",
      "psnr",
      "ssim",
      "seconds",
      "error",
      "attempts",
      "losses",
      "moved",
      "fallback",
      "measurement",
    ]);
  });

  it("is what it says after it was written", async () => {
    const path = join(await temporaryFolder(), "deep", "report.json");
    await writeReport(path, report);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual(report);
  });

  it("is refused when it does not fit its schema", async () => {
    const path = join(await temporaryFolder(), "report.json");
    const infinite = { ...report, items: [{ ...item, psnr: Number.POSITIVE_INFINITY }] };
    await expect(writeReport(path, infinite)).rejects.toThrow(/psnr/);
    await expect(readFile(path)).rejects.toThrow(/ENOENT/);
    expect(finite(Number.POSITIVE_INFINITY)).toBeNull();
    expect(finite(Number.NaN)).toBeNull();
    expect(finite(0)).toBe(0);
  });

  it("is documented field by field", async () => {
    const names = documented(await readFile(new URL("../../docs/report.md", import.meta.url), "utf8"));
    const { run, items } = reportSchema.shape;
    const fields = [
      ...Object.keys(reportSchema.shape),
      ...Object.keys(run.shape).map((name) => `run.${name}`),
      ...Object.keys(items.element.shape),
    ];
    expect(fields.filter((field) => !names.has(field))).toEqual([]);
  });

  it("names versions of everything a result may depend on", () => {
    for (const version of Object.values(describeVersions())) expect(version).toMatch(/^\d+\.\d+\.\d+/);
    expect(describeMachine().cores).toBeGreaterThan(0);
  });
});
