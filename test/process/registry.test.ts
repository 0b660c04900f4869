/** Whom a registry takes, whom it refuses and why, and when it gives a worker up. */
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { picturesAhead } from "../../coordinator/fleet/worker-slots.js";
import { batchLimits } from "../../shared/chain/batch-limits.js";
import type { Registration } from "../../shared/wire/generated/deqfleet/v1/Registration.js";
import type { RegistryOrder__Output } from "../../shared/wire/generated/deqfleet/v1/RegistryOrder.js";
import { channelOptions, insecureChannel, protocol, protocolVersion } from "../../shared/wire/protocol.js";
import { ClusterFixture } from "../cluster-fixture.js";
import { FakeWorker } from "../fake-worker.js";
import { becomesTrue } from "../processes.js";

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
