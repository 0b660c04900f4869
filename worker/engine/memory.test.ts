/** What chains leave behind on a worker: nothing. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { taskSamples } from "../../test/task-samples.js";
import { toyChain } from "../../test/toy-chain.js";
import { smoothToy } from "../../test/toy-networks.js";
import { SliceEngine } from "./slice-engine.js";

/** Bytes that are still in use after everything that can be collected has been. */
async function liveBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // Memory of WebAssembly is freed after the collection that finds it unused.
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it("two hundred chains, ended, failed and given up, hold no memory", async () => {
  const engine = new SliceEngine(smoothToy(1), { threads: 1 });
  const size = { height: 32, width: 32 };
  const sample = { ...taskSamples[0], size };
  const run = async (seed: number) => {
    const chain = toyChain({ steps: 2, method: "secant", sample, seed });
    const poisoned = new Float32Array(3 * 32 * 32).fill(Number.NaN);
    const spec = seed % 3 === 1 ? { ...chain, initialState: poisoned } : chain;
    const slice = await engine.open({ chain: spec, begin: 0, end: 2, seeds: undefined });
    const running = slice.serial().then(
      () => "ended",
      () => "failed",
    );
    if (seed % 3 === 2) await slice.close();
    const outcome = await running;
    await slice.close();
    return outcome;
  };
  const runMany = async (count: number) => {
    const outcomes = await Promise.all(Array.from({ length: count }, (_, seed) => run(seed)));
    expect(outcomes.filter((outcome) => outcome === "ended")).toHaveLength(Math.ceil(count / 3));
  };
  for (let i = 0; i < 3; i++) await runMany(20);
  const before = await liveBytes();
  for (let i = 0; i < 10; i++) await runMany(20);
  // The rows of one chain are six states of 12 KiB: a leak of them all would be 15 MB.
  expect((await liveBytes()) - before).toBeLessThan(2e6);
});
