import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { InputError } from "../../shared/errors.js";
import { packageRoot } from "../../shared/package-root.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { evaluationsOf, readTraces, traceFileText } from "./trace.js";

const packaged = fileURLToPath(new URL("bench/traces/prior-64.json", packageRoot));

describe("the packaged traces", () => {
  it.each([25, 50, 100])("hold several chains of T = %i that need fewer rounds than T", async (steps) => {
    const { traces } = await readTraces(packaged);
    const found = traces.filter((trace) => trace.steps === steps);
    expect(new Set(found.map(({ photo }) => photo)).size).toBeGreaterThanOrEqual(2);
    expect(new Set(found.map(({ task }) => task)).size).toBeGreaterThanOrEqual(3);
    for (const trace of found) {
      expect(trace.done.length).toBeLessThan(steps);
      expect(evaluationsOf(trace)).toBeGreaterThan(steps);
    }
  });

  it("are as their text says", async () => {
    const file = await readTraces(packaged);
    const copy = join(await temporaryFolder(), "copy.json");
    await writeFile(copy, traceFileText(file));
    expect(await readTraces(copy)).toEqual(file);
  });
});

it.each([
  ["rounds without progress", { done: [1, 1], evaluated: [4, 3] }, /grow/],
  ["more final states than there are", { done: [5], evaluated: [4] }, /grow/],
  ["rounds without evaluations", { done: [1, 2], evaluated: [4] }, /as many rounds/],
  ["more evaluations than states left", { done: [1, 2], evaluated: [4, 4] }, /no more states/],
])("refuses %s", async (_, rounds, message) => {
  const { provenance } = await readTraces(packaged);
  const trace = { photo: "p", task: "inpaint" as const, method: "secant", steps: 4, ...rounds };
  const path = join(await temporaryFolder(), "traces.json");
  await writeFile(path, traceFileText({ provenance, traces: [trace] }));
  await expect(readTraces(path)).rejects.toThrow(InputError);
  await expect(readTraces(path)).rejects.toThrow(message);
});
