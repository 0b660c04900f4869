/** What anybody sees of processes that join, wait and end: addresses, ports, probes, dead engines. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { resolveWorkerSettings } from "../../shared/config/worker-settings.js";
import { FatalError } from "../../shared/errors.js";
import { protocolVersion } from "../../shared/wire/protocol.js";
import { EngineThread } from "../../worker/engine-thread.js";
import { runWorker, type WorkerEvent } from "../../worker/process.js";
import { ClusterFixture } from "../cluster-fixture.js";
import { FakeRegistry } from "../fake-registry.js";
import { ModelFolder, nullModel } from "../models.js";
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

/** A port somebody else listens on. */
async function takenAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no address");
  return `127.0.0.1:${address.port}`;
}

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
