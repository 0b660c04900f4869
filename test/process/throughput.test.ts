/** Whole chains on real workers, several at once on each. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { Fleet } from "../../coordinator/fleet.js";
import { startLocalFleet } from "../../coordinator/local-fleet.js";
import { solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import type { ChainSpec } from "../../shared/chain/slice-host.js";
import { FleetFixture, never } from "../fleet-fixture.js";
import { breakingModel, ModelFolder, slowModel, smoothModel } from "../models.js";
import { restore, type TestRun } from "../restore-runs.js";
import { psnr } from "../seeded-values.js";
import { smallPicture, temporaryFolder } from "../small-pictures.js";
import { taskSamples } from "../task-samples.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
const smooth = models.write("smooth.onnx", smoothModel());
afterAll(() => models.remove());
const fleets = new FleetFixture();
afterEach(() => fleets.close());

const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
const batch = { pictures: 4, pixels: 1e6 };

/** Every task, of various T, sizes and seeds. */
const chains: readonly ChainSpec[] = taskSamples.map((sample, i) =>
  toyChain({
    steps: 4 + (i % 4),
    method: "secant",
    sample,
    seed: i,
    weights: { etw: 0.3, nw: 0.1 * (i % 2) },
  }),
);

const solveAll = (fleet: Fleet, these: readonly ChainSpec[], signal = never) =>
  Promise.allSettled(these.map((chain, i) => solveSerial(chain, fleet.host, i, signal)));

/** Pictures of all chains that ended well. */
const picturesOf = (ended: Awaited<ReturnType<typeof solveAll>>) =>
  ended.map((result) => (result.status === "fulfilled" ? bytes(result.value.picture) : undefined));

describe("the same bytes as alone", () => {
  it.each([true, false])("for every task at once on two workers, lanes: %s", async (lanes) => {
    const fleet = await fleets.start({ workers: 2, modelPath: smooth, batch, lanes });
    const together = picturesOf(await solveAll(fleet, chains));
    const local = await fleets.inProcess(smooth, 1);
    for (const [i, chain] of chains.entries()) {
      const alone = await solveSerial(chain, local, 0, never);
      expect(together[i]?.equals(bytes(alone.picture))).toBe(true);
    }
  });

  it("with the default prior, through restore", async () => {
    const folder = await temporaryFolder();
    const inputs = await Promise.all(
      (["astronaut", "chelsea", "coffee", "rocket"] as const).map((photo, i) =>
        smallPicture(join(folder, "in", `${photo}.png`), { photo, width: 32, height: 32 + 16 * (i % 2) }),
      ),
    );
    const settings: TestRun = {
      inputs,
      task: "sr-average",
      simulate: true,
      plan: "serial",
      steps: 4,
      workers: 1,
    };
    const filesOf = async (name: string, batch: number) => {
      const out = join(folder, name);
      const report = await restore({ ...settings, out, batch, startFleet: startLocalFleet });
      expect(report.run).toMatchObject({ settings: { batch }, counts: { done: 4 } });
      expect(report.items.every(({ evaluations }) => evaluations === 4)).toBe(true);
      return Promise.all(report.items.map(({ output }) => readFile(output)));
    };
    expect(await filesOf("batched", 4)).toEqual(await filesOf("alone", 1));
  });
});

describe("beside other work", () => {
  it("rounds of a cut chain are done between the calls of a batch, and both end well", async () => {
    // 40 ms a call: 300 steps take more than ten seconds.
    const modelPath = models.write("slow.onnx", await slowModel(0.04));
    const fleet = await fleets.start({ workers: 2, modelPath, batch });
    const long = [0, 1].map((seed) => toyChain({ steps: 300, method: "secant", seed }));
    const stop = new AbortController();
    const running = solveAll(fleet, long, stop.signal);
    await delay(200);
    const chain = toyChain({ steps: 6, method: "secant", seed: 9 });
    const cut = await solveTimeParallel(
      chain,
      { tolerance: 1e-4, maxRounds: undefined },
      await fleets.parts(fleet.host),
      never,
    );
    let ended = false;
    void running.then(() => {
      ended = true;
    });
    await delay(0);
    expect(ended).toBe(false);
    const serial = await solveSerial(chain, fleet.host, 0, never);
    expect(ended).toBe(false);
    expect(psnr(cut.picture, serial.picture)).toBeGreaterThan(50);
    stop.abort(new Error("enough"));
    expect((await running).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  it("a chain that nobody waits for any more stops computing", async () => {
    const modelPath = models.write("slow.onnx", await slowModel(0.1));
    const fleet = await fleets.start({ workers: 1, modelPath, batch: { pictures: 1, pixels: 1e6 } });
    const long = toyChain({ steps: 100, method: "secant" });
    const stop = new AbortController();
    const abandoned = solveSerial(long, fleet.host, 0, stop.signal);
    await delay(300);
    stop.abort(new Error("cancelled"));
    await expect(abandoned).rejects.toThrow("cancelled");
    // One chain at a time: had it gone on, this one would have to wait ten seconds.
    const started = performance.now();
    await solveSerial(toyChain({ steps: 2, method: "secant" }), fleet.host, 0, never);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe("trouble", () => {
  it("numbers that are not finite fail their picture alone", async () => {
    // Timesteps below 150 fail: T = 4 ends at 0, a chain cut off at 250 never gets there.
    const modelPath = models.write("breaking.onnx", breakingModel(150));
    const fleet = await fleets.start({ workers: 1, modelPath, batch });
    const broken = toyChain({ steps: 4, method: "secant", seed: 1 });
    const slices = [];
    for (const [seed, end] of [3, 4, 3].entries()) {
      const chain = { ...broken, seed, pictureId: `${seed}.png` };
      slices.push(await fleet.host.open({ chain, begin: 0, end, seeds: undefined }, 0, never));
    }
    const ended = await Promise.allSettled(slices.map((slice) => slice.serial(never)));
    expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(ended[1]).toMatchObject({ reason: { message: expect.stringMatching(/1\.png.*timestep 0;/) } });
    await Promise.all(slices.map((slice) => slice.close()));
    expect(fleet.workers()[0].restarts).toBe(0);
  });

  /** Eight small pictures in a folder. */
  async function dataset(): Promise<{ folder: string; out: string }> {
    const base = await temporaryFolder();
    const folder = join(base, "in");
    await mkdir(folder);
    for (let i = 0; i < 8; i++) await smallPicture(join(folder, `${i}.png`), { width: 32, height: 32 });
    return { folder, out: join(base, "out") };
  }

  it("a worker killed with several chains in flight: every picture comes out right", async () => {
    const { folder, out } = await dataset();
    const run: TestRun = { inputs: [folder], task: "sr-average", simulate: true, plan: "serial", steps: 20 };
    let fleet: Fleet | undefined;
    let struck = false;
    const report = await restore({
      ...run,
      out,
      startFleet: async (options) => {
        fleet = await startLocalFleet(options);
        return fleet;
      },
      onEvent: ({ event }) => {
        if (event !== "picture-started" || struck) return;
        struck = true;
        setTimeout(() => process.kill(fleet?.workers()[0].pid ?? Number.NaN, "SIGKILL"), 300);
      },
    });
    expect(report.run).toMatchObject({ status: "finished", counts: { done: 8, failed: 0 } });
    expect(report.run.workers[0].restarts).toBe(1);
    // Those it held were begun again; those of the other worker were not.
    const retried = report.items.filter(({ attempts }) => attempts === 2).length;
    expect(retried).toBeGreaterThan(1);
    expect(retried).toBeLessThan(8);
    const whole = await restore({ ...run, out: `${out}-whole`, startFleet: startLocalFleet });
    for (const [i, { output }] of report.items.entries()) {
      expect((await readFile(output)).equals(await readFile(whole.items[i].output))).toBe(true);
    }
  });

  it("an interruption leaves what is finished done, and a later run does the rest", async () => {
    const { folder, out } = await dataset();
    const stop = new AbortController();
    const run: TestRun = {
      inputs: [folder],
      out,
      task: "colorize",
      plan: "serial",
      workers: 1,
      batch: 2,
      steps: 6,
      startFleet: startLocalFleet,
    };
    let finished = 0;
    const stopped = await restore({
      ...run,
      signal: stop.signal,
      onEvent: ({ event }) => {
        if (event === "picture-done" && ++finished === 3) stop.abort();
      },
    });
    const { done, cancelled, failed } = stopped.run.counts;
    expect(failed).toBe(0);
    expect(done).toBeGreaterThanOrEqual(3);
    expect(cancelled).toBeGreaterThanOrEqual(1);
    expect(done + cancelled).toBe(8);
    const resumed = await restore(run);
    expect(resumed.run.counts).toMatchObject({ skipped: done, done: cancelled });
  });
});

it.each([
  ["shares its calls", { pictures: 4, pixels: 1e6 }, 2.5, 4.01],
  ["limited to one picture does not", { pictures: 1, pixels: 1e6 }, 0, 1.01],
  ["limited to the pixels of one does not", { pictures: 4, pixels: 100 }, 0, 1.01],
])("a worker %s", async (_, batch, least, most) => {
  const modelPath = models.write("slow.onnx", await slowModel(0.02));
  const fleet = await fleets.start({ workers: 1, modelPath, batch });
  const chains = [0, 1, 2, 3].map((seed) => toyChain({ steps: 20, method: "secant", seed }));
  const whole = (chain: ChainSpec) => ({ chain, begin: 0, end: 20, seeds: undefined });
  const slices = await Promise.all(chains.map((chain) => fleet.host.open(whole(chain), 0, never)));
  const started = performance.now();
  const reports = await Promise.all(slices.map((slice) => slice.serial(never)));
  const elapsed = (performance.now() - started) / 1000;
  await Promise.all(slices.map((slice) => slice.close()));
  // A call counts in full for every chain in it, so shared calls add up to more than the time that passed.
  const evaluated = reports.reduce((sum, { seconds }) => sum + seconds.network, 0);
  expect(evaluated / elapsed).toBeGreaterThan(least);
  expect(evaluated / elapsed).toBeLessThan(most);
});
