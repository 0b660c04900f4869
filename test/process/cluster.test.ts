/** Workers as processes of their own that join coordinators, work, drain, fall silent and die. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { SliceGroup } from "../../coordinator/fleet/worker-pool.js";
import { picturesAhead } from "../../coordinator/fleet/worker-slots.js";
import { PrefixScan } from "../../coordinator/solver/prefix-scan.js";
import { type Solution, solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import { batchLimits } from "../../shared/chain/batch-limits.js";
import { RetryableError } from "../../shared/errors.js";
import { version } from "../../shared/version.js";
import { portOf } from "../../shared/wire/address.js";
import { ClusterFixture, type WatchedCoordinator } from "../cluster-fixture.js";
import { startCutProxy } from "../faults/cut-proxy.js";
import { never } from "../fleet-fixture.js";
import { linearModel, ModelFolder, slowModel, smoothModel } from "../models.js";
import { becomesTrue } from "../processes.js";
import { psnr } from "../seeded-values.js";
import { operatorOf, taskSamples } from "../task-samples.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const cluster = new ClusterFixture();
afterEach(() => cluster.close());

const smooth = models.write("smooth.onnx", smoothModel());
let slow: string;
beforeAll(async () => {
  slow = models.write("slow.onnx", await slowModel(0.15));
});

/** A port nobody listens on, for now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

const chain = toyChain({ steps: 12, method: "secant" });
const square = { height: 8, width: 8 };

const modelOf = ({ workers }: WatchedCoordinator): string => workers.members()[0].network.hash;

/** Solves the chain over a group; `strike` is called after the second round. */
async function solveOver(group: SliceGroup, strike: () => void = () => {}): Promise<Solution> {
  const scan = new PrefixScan();
  try {
    const parts = { host: group.host, scan, operator: operatorOf(taskSamples[0]) };
    const limits = { tolerance: 1e-3, maxRounds: undefined };
    return await solveTimeParallel(chain, limits, parts, never, ({ round }) => {
      if (round === 2) strike();
    });
  } finally {
    await scan.release();
  }
}

/** The whole chain on whichever worker is free. */
async function solveWhole(
  { workers }: WatchedCoordinator,
  model: string,
  spec = chain,
): Promise<Solution & { worker: string }> {
  const lease = await workers.acquire({ model, size: square, alone: false, signal: never });
  try {
    return { ...(await solveSerial(spec, lease.host, 0, never)), worker: lease.worker };
  } finally {
    lease.release();
  }
}

const eventsOf = ({ events }: WatchedCoordinator, worker: string): string[] =>
  events.filter((event) => event.worker === worker).map(({ kind }) => kind);

describe("three workers and two coordinators", () => {
  it("join the first, and go over to the second when the first dies", async () => {
    const first = await cluster.coordinatorProcess();
    const second = await cluster.coordinator();
    const both = [first.address, second.address];
    const workers = ["w1", "w2", "w3"].map((name) => cluster.worker(both, smooth, "--name", name));
    await Promise.all(workers.map((worker) => worker.prints(/serving: joined/)));
    expect(second.names()).toEqual([]);
    const listing = cluster.start("workers", "--coordinator", first.address);
    expect(await listing.ended()).toBe(0);
    const lines = listing.output.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    for (const [i, name] of ["w1", "w2", "w3"].entries()) {
      expect(lines[i + 1]).toMatch(
        new RegExp(`^${name} +serving +cpu, 1 thread .* 0 +0 +127.0.0.1:\\d+ +${version}$`),
      );
    }
    first.process.signal("SIGKILL");
    await second.has("w1", "w2", "w3");
    for (const worker of workers) {
      await worker.prints(
        new RegExp(`joining: lost ${first.address}: [^]*serving: joined ${second.address}`),
      );
    }
    const model = modelOf(second);
    const whole = await solveWhole(second, model);
    const group = await second.workers.acquireGroup({ model, slices: 5, signal: never });
    expect([...group.workers()].sort()).toEqual(["w1", "w2", "w3"]);
    const cut = await solveOver(group);
    group.release();
    expect(cut).toMatchObject({ converged: true, losses: 0 });
    expect(psnr(cut.picture, whole.picture)).toBeGreaterThan(50);
    // Whole chains have the same bytes wherever they run.
    const others = await Promise.all([1, 2, 3].map(() => solveWhole(second, model)));
    expect(new Set(others.map(({ worker }) => worker)).size).toBe(3);
    for (const other of others) expect(other.picture).toEqual(whole.picture);
  });
});

describe("a worker with a slice of a cut chain", () => {
  async function scene(silence?: number, network = smooth) {
    const coordinator = await cluster.coordinator(silence);
    const workers = ["a", "b", "c"].map((name) =>
      cluster.worker([coordinator.address], network, "--name", name),
    );
    await coordinator.has("a", "b", "c");
    const model = modelOf(coordinator);
    const { picture } = await solveWhole(coordinator, model);
    const group = await coordinator.workers.acquireGroup({ model, slices: 2, signal: never });
    // The last slice is at work to the end.
    const [other, struck] = group.workers();
    const index = ["a", "b", "c"].indexOf(struck);
    return { coordinator, model, picture, group, struck, other, process: workers[index] };
  }

  it("that is killed: the slice goes to an idle worker, and the picture is the serial one", async () => {
    const { coordinator, picture, group, struck, other, process } = await scene();
    const cut = await solveOver(group, () => process.signal("SIGKILL"));
    expect(cut).toMatchObject({ converged: true, losses: 1 });
    expect(psnr(cut.picture, picture)).toBeGreaterThan(50);
    const [idle] = ["a", "b", "c"].filter((name) => name !== struck && name !== other);
    expect([...group.workers()].sort()).toEqual([other, idle].sort());
    group.release();
    expect(coordinator.names()).toEqual([other, idle].sort());
    expect(eventsOf(coordinator, struck)).toEqual(["joined", "lost"]);
    expect(coordinator.workers.members().map(({ holds }) => holds)).toEqual([
      { pictures: 0, slices: 0 },
      { pictures: 0, slices: 0 },
    ]);
  });

  it("that is stopped: it is given up after the time of silence, and joins again when it goes on", async () => {
    const { coordinator, picture, group, struck, process } = await scene(1);
    const started = performance.now();
    const cut = await solveOver(group, () => process.signal("SIGSTOP"));
    expect(cut).toMatchObject({ converged: true, losses: 1 });
    expect(psnr(cut.picture, picture)).toBeGreaterThan(50);
    expect(performance.now() - started).toBeGreaterThan(800);
    expect(coordinator.names()).not.toContain(struck);
    expect(coordinator.events.find(({ kind }) => kind === "lost")?.reason).toMatch(
      /^(no heartbeat came|it was not healthy) for 1 s$/,
    );
    group.release();
    process.signal("SIGCONT");
    await coordinator.has("a", "b", "c");
    expect(eventsOf(coordinator, struck)).toEqual(["joined", "lost", "joined"]);
  });

  it("that is told to stop: it hands the slice back, leaves and exits with 0", async () => {
    const { coordinator, picture, group, struck, process } = await scene(10, slow);
    const cut = await solveOver(group, () => process.signal("SIGTERM"));
    expect(await process.ended()).toBe(0);
    expect(cut).toMatchObject({ converged: true, losses: 1 });
    expect(psnr(cut.picture, picture)).toBeGreaterThan(50);
    group.release();
    await coordinator.has(...["a", "b", "c"].filter((name) => name !== struck));
    expect(eventsOf(coordinator, struck)).toEqual(["joined", "draining", "left"]);
    expect(process.output).toMatch(/draining: told to stop, \d at work\n.*stopped: nothing left to do\n$/);
  });
});

describe("a worker behind a network that is cut in mid-chain", () => {
  it.each([
    ["for less than the time of silence: nothing is lost", 10, 1000, ["joined"]],
    ["for longer: its slice goes elsewhere, and it joins again", 2, 5000, ["joined", "lost", "joined"]],
  ])("%s", async (_, silence, milliseconds, events) => {
    const coordinator = await cluster.coordinator(silence);
    const port = await freePort();
    const [toWorker, toRegistry] = [
      await startCutProxy(port),
      await startCutProxy(portOf(coordinator.address)),
    ];
    try {
      cluster.worker(
        [`127.0.0.1:${toRegistry.port}`],
        slow,
        "--name",
        "far",
        "--listen",
        `127.0.0.1:${port}`,
        "--advertise",
        `127.0.0.1:${toWorker.port}`,
      );
      cluster.worker([coordinator.address], slow, "--name", "near");
      await coordinator.has("far", "near");
      const model = modelOf(coordinator);
      const { picture } = await solveWhole(coordinator, model);
      const group = await coordinator.workers.acquireGroup({ model, slices: 2, signal: never });
      let over: Promise<unknown> = Promise.resolve();
      const cut = await solveOver(group, () => {
        over = Promise.all([toWorker.cut(milliseconds), toRegistry.cut(milliseconds)]);
      });
      group.release();
      expect(cut).toMatchObject({ converged: true, losses: events.length > 1 ? 1 : 0 });
      expect(psnr(cut.picture, picture)).toBeGreaterThan(50);
      await over;
      await coordinator.has("far", "near");
      // On a busy machine a short silence may come again.
      expect(eventsOf(coordinator, "far").slice(0, 3)).toEqual(events);
    } finally {
      await Promise.all([toWorker.close(), toRegistry.close()]);
    }
  });
});

describe("a worker with whole pictures", () => {
  async function scene(steps: number, ...flags: string[]) {
    const coordinator = await cluster.coordinator();
    const process = cluster.worker([coordinator.address], slow, "--name", "only", ...flags);
    await coordinator.has("only");
    const model = modelOf(coordinator);
    const solving = Promise.allSettled(
      [1, 2].map(() => solveWhole(coordinator, model, toyChain({ steps, method: "secant" }))),
    );
    // Unmeasured before, it tells of calls with both of them as soon as it has made some.
    const both = () => coordinator.workers.members()[0].costs.some(({ batch }) => batch === 2);
    expect(await becomesTrue(60_000, both)).toBe(true);
    expect(coordinator.workers.members()[0].holds).toEqual({ pictures: 2, slices: 0 });
    return { coordinator, process, model, solving };
  }

  it("that is told to stop finishes them, is given nothing new, and exits with 0", async () => {
    const { coordinator, process, model, solving } = await scene(30);
    process.signal("SIGTERM");
    await process.prints(/draining: told to stop, 2 at work/);
    expect(await becomesTrue(5000, () => eventsOf(coordinator, "only").includes("draining"))).toBe(true);
    expect(coordinator.workers.members()).toMatchObject([{ name: "only", state: "draining" }]);
    const give = new AbortController();
    const waiting = coordinator.workers.acquire({ model, alone: false, signal: give.signal });
    const pictures = await solving;
    expect(pictures.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    expect(await process.ended()).toBe(0);
    await coordinator.has();
    expect(eventsOf(coordinator, "only")).toEqual(["joined", "draining", "left"]);
    give.abort(new Error("nobody came"));
    await expect(waiting).rejects.toThrow("nobody came");
  });

  it("hands back what does not end within its grace time, and exits with 0 all the same", async () => {
    const { process, solving } = await scene(400, "--grace", "12");
    process.signal("SIGTERM");
    for (const picture of await solving) {
      expect(picture).toMatchObject({ status: "rejected", reason: expect.any(RetryableError) });
    }
    expect(await process.ended()).toBe(0);
    expect(process.output).toContain("stopped: the grace time is over; 2 handed back");
  });

  it("ends at once on a second signal", async () => {
    const { process, solving } = await scene(30);
    process.signal("SIGTERM");
    await process.prints(/draining/);
    process.signal("SIGTERM");
    expect(await process.ended()).toBe("SIGKILL");
    for (const picture of await solving) {
      expect(picture).toMatchObject({ status: "rejected", reason: expect.any(RetryableError) });
    }
  });
});

it("two models in one fleet: whoever names a model gets its workers", async () => {
  const coordinator = await cluster.coordinator();
  const linear = models.write("linear.onnx", linearModel(0.5));
  cluster.worker([coordinator.address], smooth, "--name", "s1");
  cluster.worker([coordinator.address], smooth, "--name", "s2");
  cluster.worker([coordinator.address], linear, "--name", "l1");
  await coordinator.has("s1", "s2", "l1");
  const hashOf = (wanted: string) =>
    coordinator.workers.members().find(({ name }) => name === wanted)?.network.hash ?? "";
  expect(hashOf("s1")).toBe(hashOf("s2"));
  const { workers } = coordinator;
  const group = await workers.acquireGroup({ model: hashOf("l1"), slices: 3, signal: never });
  expect(group.workers()).toEqual(["l1"]);
  // The group of one model is in nobody's way who wants the other.
  expect(workers.capacity(hashOf("l1"))).toBe(0);
  expect(workers.capacity(hashOf("s1"))).toBe(2 * (batchLimits(null).pictures + picturesAhead));
  expect(workers.capacity("unknown")).toBe(0);
  const pictures = await Promise.all([1, 2].map(() => solveWhole(coordinator, hashOf("s1"))));
  expect(pictures.map(({ worker }) => worker).sort()).toEqual(["s1", "s2"]);
  const other = await solveOver(group);
  expect(psnr(other.picture, pictures[0].picture)).toBeLessThan(40);
  group.release();
});
