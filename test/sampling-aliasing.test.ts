/**
 * Rounds look at samples of large pictures. A mask as regular as the samples could hide a whole part from them: its
 * residuals would count as zero, and the chain would be called converged far from the serial one.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { solveSerial, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { relativeDistance } from "./seeded-values.js";
import { operatorOf, type TaskSample } from "./task-samples.js";
import { toyChain } from "./toy-chain.js";
import { smoothToy } from "./toy-networks.js";

const never = new AbortController().signal;
const steps = 20;
const size = { height: 128, width: 128 };

/** Inpainting that keeps the pixels for which `keeps` is true. */
function inpainting(name: string, keeps: (line: number, column: number) => boolean): TaskSample {
  const { height, width } = size;
  const kept = Uint8Array.from({ length: height * width }, (_, i) =>
    keeps(Math.floor(i / width), i % width) ? 1 : 0,
  );
  return { name, settings: { task: "inpaint" }, size, mask: { ...size, kept } };
}

let scan: PrefixScan;
beforeAll(() => {
  scan = new PrefixScan();
});
afterAll(() => scan.release());

describe.each([
  inpainting("even lines", (line) => line % 2 === 0),
  inpainting("odd lines", (line) => line % 2 === 1),
  inpainting("a 2x2 grid", (line, column) => line % 2 === 0 && column % 2 === 0),
])("inpainting that keeps $name", (sample) => {
  it("stops early, and at the serial chain", async () => {
    const chain = toyChain({ steps, method: "secant", sample });
    const host = new InProcessHost(new SliceEngine(smoothToy(1.2), { threads: 1 }), 3);
    const serial = await solveSerial(chain, host, 0, never);
    const parts = { host, scan, operator: operatorOf(sample) };
    const settings = { tolerance: 0.05, maxRounds: undefined };
    const solution = await solveTimeParallel(chain, settings, parts, never);
    expect(solution.converged).toBe(true);
    expect(solution.rounds).toBeLessThan(steps);
    expect(relativeDistance(solution.picture, serial.picture)).toBeLessThan(1e-3);
  });
});
