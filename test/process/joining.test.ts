/** What keeps a worker from joining, and what anybody sees of it: versions, names, addresses, ports, probes, dead engines. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { picturesAhead } from "../../coordinator/fleet/worker-slots.js";
import { batchLimits } from "../../shared/chain/batch-limits.js";
import { resolveWorkerSettings } from "../../shared/config/worker-settings.js";
import { FatalError } from "../../shared/errors.js";
import type { Registration } from "../../shared/wire/generated/deqfleet/v1/Registration.js";
import type { RegistryOrder__Output } from "../../shared/wire/generated/deqfleet/v1/RegistryOrder.js";
import { channelOptions, insecureChannel, protocol, protocolVersion } from "../../shared/wire/protocol.js";
import { EngineThread } from "../../worker/engine-thread.js";
import { runWorker, type WorkerEvent } from "../../worker/process.js";
import { ClusterFixture } from "../cluster-fixture.js";
import { FakeRegistry } from "../fake-registry.js";
import { FakeWorker } from "../fake-worker.js";
import { ModelFolder, nullModel } from "../models.js";
import { becomesTrue } from "../processes.js";
import { temporaryFolder } from "../small-pictures.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const quick = models.write("null.onnx", nullModel());

const cluster = new ClusterFixture();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await cluster.close();
});

/** Registers by hand; returns the call and the answer to it. */
async function register(coordinator: string, registration: Registration) {
  const client = new protocol.Registry(coordinator, insecureChannel, channelOptions);
  const call = client.join();
  call.on("error", () => {});
  closing.push(() => {
    call.cancel();
    client.close();
  });
  const answer = once(call, "data") as Promise<[RegistryOrder__Output]>;
  call.write({ registration });
  return { call, order: (await answer)[0] };
}

async function fakeWorker(
  handshake: Parameters<typeof FakeWorker.listen>[0]["handshake"],
): Promise<FakeWorker> {
  const worker = await FakeWorker.listen({ handshake });
  closing.push(() => worker.close());
  return worker;
}

/** A registration that is accepted if a fake worker of instance `i` listens at the address. */
const registrationOf = (address: string): Registration => ({
  protocolVersion,
  version: "1.2.3",
  name: "w",
  instance: "i",
  address,
  modelHash: "fake",
  batchPictures: 4,
  batchPixels: 16_384,
  costs: [{ batch: 1, height: 64, width: 64, seconds: 0.5, calls: 3 }],
});

/** A port somebody else listens on. */
async function takenAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no address");
  return `127.0.0.1:${address.port}`;
}

describe("a registry", () => {
  it("takes a worker with what it says of itself, and learns more from heartbeats", async () => {
    const coordinator = await cluster.coordinator();
    const { address } = await fakeWorker({ instance: "i", threads: 3, pid: 7 });
    const { call, order } = await register(coordinator.address, registrationOf(address));
    expect(order.accepted).toEqual({ heartbeatMilliseconds: 100, silenceMilliseconds: 10_000 });
    await coordinator.has("w");
    const [member] = coordinator.workers.members();
    expect(member).toMatchObject({
      name: "w",
      state: "serving",
      address,
      device: "fake",
      threads: 3,
      pid: 7,
      version: "0.0.0-fake",
      network: { hash: "fake" },
      batch: { pictures: 4, pixels: 16_384 },
      holds: { pictures: 0, slices: 0 },
    });
    const costs = () => coordinator.workers.members()[0].costs;
    expect(costs()).toEqual([{ batch: 1, height: 64, width: 64, seconds: 0.5, calls: 3 }]);
    const news = [
      { batch: 1, height: 64, width: 64, seconds: 0.4, calls: 9 },
      { batch: 2, height: 64, width: 64, seconds: 0.7, calls: 1 },
    ];
    call.write({ heartbeat: { draining: false, holds: 0, costs: news } });
    expect(await becomesTrue(5000, () => costs().length === 2)).toBe(true);
    expect(costs()).toEqual(news);
  });

  it("refuses another version of the protocol for good, naming both", async () => {
    const coordinator = await cluster.coordinator();
    const { order } = await register(coordinator.address, {
      ...registrationOf("127.0.0.1:1"),
      protocolVersion: 99,
    });
    expect(order.refused).toEqual({
      permanent: true,
      reason: `worker w (deqfleet 1.2.3) speaks protocol 99, this coordinator ${protocolVersion}: install the same version of deqfleet on both`,
    });
    expect(coordinator.names()).toEqual([]);
    expect(coordinator.events).toMatchObject([{ kind: "refused", worker: "w" }]);
  });

  it("refuses a name that is taken, and gives it away when it is free", async () => {
    const coordinator = await cluster.coordinator();
    const first = await fakeWorker({ instance: "i" });
    const second = await fakeWorker({ instance: "j" });
    const { call } = await register(coordinator.address, registrationOf(first.address));
    await coordinator.has("w");
    const newcomer = { ...registrationOf(second.address), instance: "j" };
    const { order } = await register(coordinator.address, newcomer);
    expect(order.refused).toEqual({
      permanent: false,
      reason: `the name w is taken by a worker at ${first.address}; give this one at ${second.address} another --name`,
    });
    call.cancel();
    await coordinator.has();
    expect((await register(coordinator.address, newcomer)).order.accepted).toBeTruthy();
    await coordinator.has("w");
    expect(coordinator.workers.members()[0].address).toBe(second.address);
  });

  it("lets a process that joins anew take its own place", async () => {
    const coordinator = await cluster.coordinator();
    const { address } = await fakeWorker({ instance: "i" });
    await register(coordinator.address, registrationOf(address));
    await coordinator.has("w");
    const { model } = { model: "fake" };
    const signal = AbortSignal.timeout(20_000);
    const lease = await coordinator.workers.acquire({ model, alone: true, signal });
    expect((await register(coordinator.address, registrationOf(address))).order.accepted).toBeTruthy();
    expect(lease.lost.reason).toMatchObject({ message: "worker w was lost: it joined anew" });
    await coordinator.has("w");
    // The end of the former call does not take the new member away.
    expect(await becomesTrue(500, () => coordinator.names().length === 0)).toBe(false);
    const again = await coordinator.workers.acquire({ model, alone: true, signal });
    lease.release();
    expect(coordinator.workers.capacity(model)).toBe(0);
    again.release();
    expect(coordinator.workers.capacity(model)).toBe(batchLimits(null).pictures + picturesAhead);
  });

  it.each([
    [
      "nobody is there",
      async () => "127.0.0.1:1",
      /cannot be reached at 127\.0\.0\.1:1: .*check its --advertise/,
    ],
    [
      "another worker is there",
      async () => (await fakeWorker({ instance: "other" })).address,
      /another worker answers than w; check its --advertise/,
    ],
    [
      "it has another model by now",
      async () => (await fakeWorker({ instance: "i", modelHash: "changed" })).address,
      /another worker answers than w/,
    ],
  ])("refuses a worker where %s", async (_, find, reason) => {
    const coordinator = await cluster.coordinator();
    const { order } = await register(coordinator.address, registrationOf(await find()));
    expect(order.refused?.permanent).toBe(false);
    expect(order.refused?.reason).toMatch(reason);
    expect(coordinator.names()).toEqual([]);
  });

  it("loses a worker that says it is alive and does not answer", async () => {
    const coordinator = await cluster.coordinator(0.5);
    const worker = await fakeWorker({ instance: "i" });
    const { call } = await register(coordinator.address, registrationOf(worker.address));
    const beating = setInterval(() => call.write({ heartbeat: {} }), 50);
    closing.push(() => clearInterval(beating));
    await coordinator.has("w");
    worker.close();
    const broken = once(call, "error") as Promise<[Error]>;
    await coordinator.has();
    expect((await broken)[0].message).toContain("it was not healthy for 0.5 s");
    expect(coordinator.events.at(-1)).toMatchObject({ kind: "lost", reason: "it was not healthy for 0.5 s" });
  });

  it("loses a worker whose heartbeats cease", async () => {
    const coordinator = await cluster.coordinator(0.5);
    const { address } = await fakeWorker({ instance: "i" });
    await register(coordinator.address, registrationOf(address));
    await coordinator.has("w");
    await coordinator.has();
    expect(coordinator.events.at(-1)).toMatchObject({ kind: "lost", reason: "no heartbeat came for 0.5 s" });
  });
});

describe("a worker process", () => {
  it("ends with the reason when it is refused for good", async () => {
    const reason = "worker x speaks protocol 1, this coordinator 7: install the same version";
    const registry = await FakeRegistry.listen(() => ({ refused: { permanent: true, reason } }));
    closing.push(() => registry.close());
    const worker = cluster.worker([registry.address], quick);
    expect(await worker.ended()).toBe(3);
    expect(worker.output).toContain(`deqfleet: no coordinator takes this worker: ${reason}\n`);
    expect(worker.output).toMatch(/failed: no coordinator takes this worker/);
    expect(registry.registrations[0]).toMatchObject({ protocolVersion, batchPictures: 4 });
  });

  it("says so when its port is taken", async () => {
    const listen = await takenAddress();
    const worker = cluster.worker(["127.0.0.1:1"], quick, "--listen", listen);
    expect(await worker.ended()).toBe(3);
    expect(worker.output).toContain(`cannot listen on ${listen}`);
    const http = cluster.worker(["127.0.0.1:1"], quick, "--http", listen);
    expect(await http.ended()).toBe(2);
    expect(http.output).toContain(`deqfleet: cannot serve HTTP on ${listen}`);
  });

  it.each([
    [["--model", "nowhere.onnx"], 2, "deqfleet: model .*nowhere.onnx cannot be loaded"],
    [["--device", "cuda:7"], 2, "deqfleet: --device cuda:7 cannot be used: .*take --device cpu"],
    [["--device", "tpu"], 2, 'deqfleet: --device "tpu": is no device'],
    [["--config", "nowhere.yaml"], 2, "deqfleet: --config .*nowhere.yaml cannot be read"],
  ])("%j: ends with %i and says why", async (flags, code, message) => {
    const worker = cluster.start("worker", "--coordinator", "127.0.0.1:1", ...flags);
    expect(await worker.ended()).toBe(code);
    expect(worker.output).toMatch(new RegExp(`^${message}`, "m"));
  });

  it("answers probes all through its life, is measured, and reads a configuration file", async () => {
    const coordinator = await cluster.coordinator();
    const folder = await temporaryFolder();
    const lines = [`coordinator: ["${coordinator.address}"]`, "measure: 1", "threads: 1", `model: ${quick}`];
    await writeFile(join(folder, "worker.yaml"), `${lines.join("\n")}\nhttp: 127.0.0.1:1\nname: from-file\n`);
    const flags = ["--config", join(folder, "worker.yaml"), "--http", "127.0.0.1:0", "--name", "from-flags"];
    const worker = cluster.start("worker", ...flags);
    const [, port] = await worker.prints(/HTTP on port (\d+)/);
    await coordinator.has("from-flags");
    await worker.prints(/serving/);
    const probe = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return [response.status, await response.text()];
    };
    expect(await probe("/healthz")).toEqual([200, "serving\n"]);
    expect(await probe("/readyz")).toEqual([200, "serving\n"]);
    const { costs } = coordinator.workers.members()[0];
    expect(costs.map(({ batch }) => batch)).toEqual([1, 2, 4, 8, 16]);
    expect(costs.every(({ seconds, calls }) => seconds > 0 && calls === 3)).toBe(true);
    await coordinator.close();
    await worker.prints(/joining: lost/);
    expect(await probe("/readyz")).toEqual([503, "joining\n"]);
    expect(await probe("/healthz")).toEqual([200, "joining\n"]);
  });

  it("told to stop while nobody takes it, stops at once", async () => {
    const worker = cluster.worker(["127.0.0.1:1"], quick);
    await worker.prints(/coordinator 127.0.0.1:1: .*ECONNREFUSED/);
    worker.signal("SIGTERM");
    expect(await worker.ended()).toBe(0);
    expect(worker.output).toMatch(/stopped: nothing left to do\n$/);
  });
});

it("a worker whose engine ended has failed, and its coordinator has lost it", async () => {
  const coordinator = await cluster.coordinator();
  const surroundings = { cwd: "/", defaultModel: quick, cores: 1, defaultName: "engineless" };
  const flags = { coordinator: [coordinator.address], measure: 0 };
  let engine: EngineThread | undefined;
  const events: WorkerEvent[] = [];
  const stop = new AbortController();
  const running = runWorker({
    settings: resolveWorkerSettings(flags, {}, surroundings),
    stop: stop.signal,
    kill: () => {
      throw new Error("nobody was told to stop");
    },
    onEvent: (event) => events.push(event),
    startEngine: async (options) => {
      engine = await EngineThread.start(options);
      return engine;
    },
  });
  running.catch(() => {});
  await coordinator.has("engineless");
  await engine?.close();
  await expect(running).rejects.toThrow(FatalError);
  await expect(running).rejects.toThrow("the engine ended");
  expect(events.at(-1)).toMatchObject({ event: "state", state: "failed" });
  await coordinator.has();
});

describe("a coordinator process", () => {
  it("answers probes, lists no workers, and ends with 0 when told to", async () => {
    const coordinator = cluster.start("coordinator", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0");
    const [, address, port] = await coordinator.prints(/reached at (\S+), HTTP on port (\d+)/);
    const ask = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return [response.status, await response.text()];
    };
    expect(await ask("/healthz")).toEqual([200, "ok\n"]);
    // The log of its jobs may still be opening.
    await vi.waitFor(async () => expect(await ask("/readyz")).toEqual([200, "ok\n"]), { timeout: 30_000 });
    const listing = cluster.start("workers", "--coordinator", address);
    expect(await listing.ended()).toBe(0);
    expect(listing.output).toBe(`no workers have joined ${address}\n`);
    coordinator.signal("SIGTERM");
    expect(await coordinator.ended()).toBe(0);
    const late = cluster.start("workers", "--coordinator", address);
    expect(await late.ended()).toBe(3);
    expect(late.output).toContain(`deqfleet: coordinator ${address}: `);
  });

  it("says so when its port is taken", async () => {
    const listen = await takenAddress();
    const coordinator = cluster.start("coordinator", "--listen", listen);
    expect(await coordinator.ended()).toBe(2);
    expect(coordinator.output).toContain(`deqfleet: cannot listen on ${listen}`);
  });

  it("told to stop sends its workers to another", async () => {
    const first = await cluster.coordinatorProcess();
    const second = await cluster.coordinator();
    const worker = cluster.worker([first.address, second.address], quick, "--name", "w");
    await worker.prints(/serving/);
    first.process.signal("SIGTERM");
    await second.has("w");
    expect(worker.output).toContain(`lost ${first.address}: this coordinator is stopping`);
  });
});
