/** Chains that share network calls come out as they do alone. */
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { BatchLimits } from "../../shared/chain/batch-limits.js";
import type { ChainSpec } from "../../shared/chain/slice-host.js";
import { PictureError, RetryableError } from "../../shared/errors.js";
import { inProcessFleet } from "../../test/in-process-fleet.js";
import { ModelFolder, smoothModel } from "../../test/models.js";
import { type TaskSample, taskSamples } from "../../test/task-samples.js";
import { toyChain } from "../../test/toy-chain.js";
import { smoothToy } from "../../test/toy-networks.js";
import { type NoiseEstimator, OnnxNetwork } from "./network.js";
import { SliceEngine } from "./slice-engine.js";

/** One network call. */
interface Call {
  readonly size: string;
  readonly timesteps: readonly number[];
}

/** Writes down the calls of another network. */
class WatchedNetwork implements NoiseEstimator {
  readonly card;
  readonly calls: Call[] = [];
  prefersOneSize = false;
  readonly #inner: NoiseEstimator;
  readonly #before: (call: Call) => void;

  constructor(inner: NoiseEstimator, before: (call: Call) => void = () => {}) {
    this.card = inner.card;
    this.#inner = inner;
    this.#before = before;
  }

  async evaluate(...given: Parameters<NoiseEstimator["evaluate"]>): Promise<void> {
    const [, timesteps, { height, width }] = given;
    const call = { size: `${height}x${width}`, timesteps };
    this.calls.push(call);
    this.#before(call);
    await this.#inner.evaluate(...given);
  }
}

const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
const wide: BatchLimits = { pictures: 8, pixels: 1e6 };

/** Opens a chain whole. */
const open = (engine: SliceEngine, chain: ChainSpec) =>
  engine.open({ chain, begin: 0, end: chain.schedule.steps, seeds: undefined });

async function runAlone(network: NoiseEstimator, chain: ChainSpec): Promise<Buffer> {
  const slice = await open(new SliceEngine(network, { threads: 1 }), chain);
  const { exit } = await slice.serial();
  await slice.close();
  return bytes(exit);
}

/** Runs all chains at once on one engine. */
async function runTogether(network: NoiseEstimator, chains: readonly ChainSpec[], limits = wide) {
  const engine = new SliceEngine(network, { threads: 1 }, limits);
  const slices = await Promise.all(chains.map((chain) => open(engine, chain)));
  const reports = await Promise.all(slices.map((slice) => slice.serial()));
  await Promise.all(slices.map((slice) => slice.close()));
  return reports;
}

/** Every task, of various T, with and without fresh noise. */
const manyChains = taskSamples.map((sample, i) =>
  toyChain({
    steps: 3 + (i % 5),
    method: "secant",
    sample,
    seed: i,
    weights: i % 2 === 0 ? { etw: 0, nw: 0 } : { etw: 0.5, nw: 0.3 },
  }),
);

/** Chains of one size that differ by seed, and in T by `steps`. */
const alike = (steps: readonly number[], sample: TaskSample = taskSamples[0]) =>
  steps.map((count, seed) => toyChain({ steps: count, method: "secant", sample, seed }));

describe("the same bytes as alone", () => {
  it("for every task, size and T in one batch", async () => {
    const network = new WatchedNetwork(smoothToy(1.2));
    const reports = await runTogether(network, manyChains);
    expect(network.calls.some(({ timesteps }) => new Set(timesteps).size > 1)).toBe(true);
    for (const [i, chain] of manyChains.entries()) {
      expect(bytes(reports[i].exit).equals(await runAlone(smoothToy(1.2), chain))).toBe(true);
      expect(reports[i].evaluations).toBe(chain.schedule.steps);
    }
    const evaluated = network.calls.reduce((sum, { timesteps }) => sum + timesteps.length, 0);
    expect(evaluated).toBe(manyChains.reduce((sum, { schedule }) => sum + schedule.steps, 0));
  });

  it("whatever the limits and whoever joins when", async () => {
    const alone = await Promise.all(manyChains.map((chain) => runAlone(smoothToy(0.8), chain)));
    const member = fc.record({
      index: fc.nat({ max: manyChains.length - 1 }),
      after: fc.nat({ max: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 400 }),
        async (members, pictures, pixels) => {
          const network = new WatchedNetwork(smoothToy(0.8));
          const engine = new SliceEngine(network, { threads: 1 }, { pictures, pixels });
          const running = members.map(async ({ index, after }) => {
            for (let turn = 0; turn < after; turn++) await new Promise((resolve) => setImmediate(resolve));
            const slice = await open(engine, manyChains[index]);
            const { exit } = await slice.serial();
            return bytes(exit).equals(alone[index]);
          });
          expect(await Promise.all(running)).toEqual(members.map(() => true));
          for (const { size, timesteps } of network.calls) {
            const [height, width] = size.split("x").map(Number);
            expect(timesteps.length).toBeLessThanOrEqual(pictures);
            expect(timesteps.length === 1 || timesteps.length * height * width <= pixels).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  const models = new ModelFolder();
  afterAll(() => models.remove());

  it("with a network run by ONNX Runtime", async () => {
    const network = await OnnxNetwork.load(models.write("smooth.onnx", smoothModel()), { threads: 1 });
    const reports = await runTogether(network, manyChains);
    for (const [i, chain] of manyChains.entries()) {
      expect(bytes(reports[i].exit).equals(await runAlone(network, chain))).toBe(true);
    }
    await network.release();
  });

  it("with the default prior, whose output for a state is the same in every batch on a CPU", async () => {
    const { host } = await inProcessFleet(1);
    const signal = new AbortController().signal;
    const size = { height: 32, width: 32 };
    const chains = taskSamples
      .filter(({ settings }) => settings.task !== "inpaint")
      .slice(0, 8)
      .map(({ settings }, i) => {
        const scaled = "scale" in settings ? { ...settings, scale: 4 } : settings;
        const sample = { name: "", settings: scaled, size, mask: undefined };
        return toyChain({ steps: 2 + (i % 3), method: "secant", sample, seed: i });
      });
    const solve = async (chain: ChainSpec) => {
      const whole = { chain, begin: 0, end: chain.schedule.steps, seeds: undefined };
      return bytes((await (await host.open(whole, 0, signal)).serial(signal)).exit);
    };
    const together = await Promise.all(chains.map(solve));
    for (const [i, chain] of chains.entries()) expect(together[i].equals(await solve(chain))).toBe(true);
  });
});

describe("who is in a call", () => {
  it("chains enter and leave between calls, at their own timesteps", async () => {
    const network = new WatchedNetwork(smoothToy(1));
    await runTogether(network, alike([2, 4, 3]), { pictures: 2, pixels: 1e6 });
    expect(network.calls.map(({ timesteps }) => timesteps.length)).toEqual([2, 2, 2, 2, 1]);
    // The third takes the place of the first, and begins at the noise when the second is half done.
    const [, , mixed] = network.calls;
    expect(mixed.timesteps[0]).toBeLessThan(mixed.timesteps[1]);
  });

  it("sizes take turns: a large picture among many small ones is served in every other call", async () => {
    const network = new WatchedNetwork(smoothToy(1));
    const large = alike([6], taskSamples[8]);
    await runTogether(network, [...alike([9, 9, 9, 9, 9, 9]), ...large], { pictures: 2, pixels: 1e6 });
    const sizes = network.calls.map(({ size }) => size);
    const turns = sizes.slice(sizes.indexOf("8x12"), sizes.lastIndexOf("8x12") + 1);
    expect(turns.filter((size) => size === "8x12")).toHaveLength(6);
    expect(turns.every((size, i) => i === 0 || size !== turns[i - 1])).toBe(true);
  });

  it("where a change of size is dear, a turn lasts until the chains that it began with have ended", async () => {
    const network = new WatchedNetwork(smoothToy(1));
    network.prefersOneSize = true;
    const large = alike([6], taskSamples[8]);
    const small = alike([9, 9, 5, 9, 9, 9]);
    const limits = { pictures: 2, pixels: 1e6 };
    const reports = await runTogether(network, [...small, ...large], limits);
    const sizes = network.calls.map(({ size }) => size);
    expect(sizes.filter((size, i) => i === 0 || size !== sizes[i - 1])).toHaveLength(3);
    expect(sizes.indexOf("8x12")).toBe(9);
    for (const [i, chain] of [...small, ...large].entries()) {
      expect(bytes(reports[i].exit).equals(await runAlone(smoothToy(1), chain))).toBe(true);
    }
  });
});

describe("trouble in one chain", () => {
  const steps = [6, 6, 6];
  const intact = (index: number) => runAlone(smoothToy(1), alike(steps)[index]);

  it("numbers that are not finite end that chain alone, naming picture and timestep", async () => {
    const poisoned = alike(steps).map((chain, i) => {
      if (i !== 1) return chain;
      const initialState = new Float32Array(3 * 64).fill(Number.NaN);
      return { ...chain, pictureId: "poisoned.png", initialState };
    });
    const engine = new SliceEngine(smoothToy(1), { threads: 1 }, wide);
    const slices = await Promise.all(poisoned.map((chain) => open(engine, chain)));
    const ended = await Promise.allSettled(slices.map((slice) => slice.serial()));
    expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const [first, broken, last] = ended;
    expect(broken.status === "rejected" && broken.reason).toBeInstanceOf(PictureError);
    expect(broken).toMatchObject({ reason: { message: expect.stringMatching(/poisoned\.png.*step 1 at/) } });
    if (first.status !== "fulfilled" || last.status !== "fulfilled") throw new Error("unreachable");
    expect(bytes(first.value.exit).equals(await intact(0))).toBe(true);
    expect(bytes(last.value.exit).equals(await intact(2))).toBe(true);
  });

  it("a call that fails as a whole is made again one by one", async () => {
    const network = new WatchedNetwork(smoothToy(1), ({ timesteps }) => {
      if (timesteps.length > 2) throw new Error("out of memory");
    });
    const reports = await runTogether(network, alike(steps));
    for (const [i, { exit }] of reports.entries()) expect(bytes(exit).equals(await intact(i))).toBe(true);
  });

  it("a state that the network refuses ends its chain alone", async () => {
    // T = 5 passes timesteps that T = 6 does not.
    const network = new WatchedNetwork(smoothToy(1), ({ timesteps }) => {
      if (timesteps.includes(600)) throw new Error("refused");
    });
    const engine = new SliceEngine(network, { threads: 1 }, wide);
    const slices = await Promise.all(alike([6, 5, 6]).map((chain) => open(engine, chain)));
    const ended = await Promise.allSettled(slices.map((slice) => slice.serial()));
    expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(ended[1]).toMatchObject({ reason: { message: "refused" } });
  });
});

describe("a slice that is closed in mid-chain", () => {
  it("leaves the batch at once, and the others go on", async () => {
    const engineNetwork = new WatchedNetwork(smoothToy(1), () => {
      if (engineNetwork.calls.length === 3) void slices[1].close();
    });
    const engine = new SliceEngine(engineNetwork, { threads: 1 }, wide);
    const chains = alike([8, 8, 8]);
    const slices = await Promise.all(chains.map((chain) => open(engine, chain)));
    const ended = await Promise.allSettled(slices.map((slice) => slice.serial()));
    expect(ended[1]).toMatchObject({ status: "rejected", reason: expect.any(RetryableError) });
    const counts = engineNetwork.calls.map(({ timesteps }) => timesteps.length);
    expect(counts).toEqual([3, 3, 3, 2, 2, 2, 2, 2]);
    for (const i of [0, 2]) {
      const result = ended[i];
      if (result.status !== "fulfilled") throw new Error("a chain was lost");
      expect(bytes(result.value.exit).equals(await runAlone(smoothToy(1), chains[i]))).toBe(true);
    }
  });

  it("is not begun if it is closed while it is being prepared", async () => {
    const network = new WatchedNetwork(smoothToy(1));
    const slice = await open(new SliceEngine(network, { threads: 1 }), alike([4])[0]);
    const running = slice.serial();
    await slice.close();
    await expect(running).rejects.toThrow(RetryableError);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(network.calls).toEqual([]);
  });
});
