/** Workers spoken to directly: health while they compute, reflection, versions, ports, deadlines. */

import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { startLocalFleet } from "../../coordinator/local-fleet.js";
import { solveSerial } from "../../coordinator/solver/solve-chain.js";
import { ExchangeServer } from "../../coordinator/wire/exchange-server.js";
import { GrpcSlice } from "../../coordinator/wire/grpc-slice.js";
import { WorkerChannel } from "../../coordinator/wire/worker-channel.js";
import { FatalError, InputError, RetryableError } from "../../shared/errors.js";
import { packageRoot } from "../../shared/package-root.js";
import { version } from "../../shared/version.js";
import type { SliceEvent__Output } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import { channelOptions, insecureChannel, protocol, protocolVersion } from "../../shared/wire/protocol.js";
import { encodeTensor } from "../../shared/wire/tensor-codec.js";
import { laneFolder } from "../../shared/wire/tensor-lane.js";
import { EngineThread } from "../../worker/engine-thread.js";
import { serveWorker } from "../../worker/server.js";
import { type FakeAnswer, FakeWorker } from "../fake-worker.js";
import { FleetFixture, never } from "../fleet-fixture.js";
import { ModelFolder, nullModel, slowModel } from "../models.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const quick = models.write("null.onnx", nullModel());

const closing: (() => unknown)[] = [];
const fleets = new FleetFixture();
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await fleets.close();
});
const chain = toyChain({ steps: 2, method: "secant" });
const wholeChain = { chain, begin: 0, end: 2, seeds: undefined };

async function connect(address: string): Promise<WorkerChannel> {
  const channel = await WorkerChannel.connect(address);
  closing.push(() => channel.close());
  return channel;
}

async function exchange(): Promise<ExchangeServer> {
  const server = await ExchangeServer.listen("127.0.0.1:0");
  closing.push(() => server.close());
  return server;
}

/** A port somebody else listens on. */
async function takenAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no address");
  return `127.0.0.1:${address.port}`;
}

it("a handshake tells versions, model, device and process", async () => {
  const fleet = await fleets.start({ workers: 1, modelPath: quick });
  const [worker] = fleet.workers();
  const channel = await connect(worker.address);
  expect(channel).toMatchObject({ version, device: "cpu", threads: 1, pid: worker.pid });
  expect(channel.card).toEqual(fleet.network);
  await channel.checkHealth(2000);
});

it("health checks and handshakes are answered while a network runs for seconds", async () => {
  const modelPath = models.write("slow.onnx", await slowModel(4));
  const fleet = await fleets.start({ workers: 1, modelPath });
  const channel = await connect(fleet.workers()[0].address);
  const oneStep = { ...chain, schedule: { ...chain.schedule, steps: 1 } };
  let computing = true;
  const started = performance.now();
  const solving = solveSerial(oneStep, fleet.host, 0, never).finally(() => {
    computing = false;
  });
  let answered = 0;
  while (computing && performance.now() - started < 60_000) {
    await channel.checkHealth(500);
    answered++;
    if (answered === 10) {
      const second = await connect(fleet.workers()[0].address);
      expect(second.pid).toBe(channel.pid);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { seconds, evaluations } = await solving;
  expect(evaluations).toBe(1);
  // One uninterrupted run of the network, and checks all through it.
  expect(seconds.model).toBeGreaterThan(2);
  expect(answered).toBeGreaterThan(15);
});

it("reflection lists the service", async () => {
  const fleet = await fleets.start({ workers: 1, modelPath: quick });
  const proto = fileURLToPath(
    new URL("node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto", packageRoot),
  );
  const loaded = loadPackageDefinition(loadSync(proto, { keepCase: false }));
  const definition = Object.entries(loadSync(proto)).find(([name]) => name.endsWith("ServerReflection"));
  expect(definition).toBeDefined();
  const at = (scope: unknown, name: string): unknown => (scope as Record<string, unknown>)[name];
  const path = ["grpc", "reflection", "v1", "ServerReflection"];
  const Reflection = path.reduce<unknown>(at, loaded) as new (
    ...given: ConstructorParameters<typeof protocol.Worker>
  ) => {
    serverReflectionInfo(): NodeJS.ReadWriteStream;
    close(): void;
  };
  const client = new Reflection(fleet.workers()[0].address, insecureChannel, channelOptions);
  closing.push(() => client.close());
  const call = client.serverReflectionInfo();
  call.on("error", () => {});
  (call as unknown as { write(request: object): void }).write({ listServices: "" });
  const [reply] = (await once(call, "data")) as [{ listServicesResponse: { service: { name: string }[] } }];
  const names = reply.listServicesResponse.service.map(({ name }) => name);
  expect(names).toContain("deqfleet.v1.Worker");
  call.end();
});

describe("another version of the protocol", () => {
  it("is refused by the coordinator, naming both", async () => {
    const worker = await FakeWorker.listen({ handshake: { protocolVersion: 99, version: "9.9.9" } });
    closing.push(() => worker.close());
    const connecting = WorkerChannel.connect(worker.address);
    await expect(connecting).rejects.toThrow(FatalError);
    await expect(connecting).rejects.toThrow(
      `worker ${worker.address} (deqfleet 9.9.9) speaks protocol 99, this coordinator ${protocolVersion}`,
    );
  });

  it("is refused by the worker, naming both", async () => {
    const fleet = await fleets.start({ workers: 1, modelPath: quick });
    const client = new protocol.Worker(fleet.workers()[0].address, insecureChannel, channelOptions);
    closing.push(() => client.close());
    const { address: exchangeAddress } = await exchange();
    const call = client.openSlice(
      { protocolVersion: 99, exchangeAddress, token: "t", begin: 0, end: 1 },
      { deadline: Date.now() + 10_000 },
    );
    const refusal = once(call, "data") as Promise<[SliceEvent__Output]>;
    call.on("error", () => {});
    const [event] = await refusal;
    expect(event.failure?.kind).toBe("input");
    expect(event.failure?.message).toContain(
      `the coordinator speaks protocol 99, this worker ${protocolVersion}`,
    );
  });
});

describe("a taken port", () => {
  it("is named by startLocalFleet", async () => {
    const listen = await takenAddress();
    const starting = startLocalFleet({ workers: 1, threads: 1, modelPath: quick, signal: never, listen });
    await expect(starting).rejects.toThrow(InputError);
    await expect(starting).rejects.toThrow(`cannot listen on ${listen}`);
  });

  it("is named by serveWorker", async () => {
    const engine = await EngineThread.start({ modelPath: quick, threads: 1, laneFolder: undefined });
    closing.push(() => engine.close());
    const listen = await takenAddress();
    const serving = serveWorker(engine, listen);
    await expect(serving).rejects.toThrow(FatalError);
    await expect(serving).rejects.toThrow(`cannot listen on ${listen}`);
  });
});

describe("a worker that misbehaves costs its slice, not the coordinator", () => {
  async function openOn(answer: FakeAnswer, milliseconds = 5000, lanes?: string) {
    const worker = await FakeWorker.listen({ answer });
    closing.push(() => worker.close());
    const channel = await connect(worker.address);
    const slice = await GrpcSlice.open(
      wholeChain,
      channel,
      await exchange(),
      { command: milliseconds },
      lanes,
      never,
    );
    closing.push(() => slice.close());
    return slice;
  }
  const opens =
    (then: FakeAnswer): FakeAnswer =>
    (command) =>
      command.setup ? [{ opened: {} }] : then(command);

  it("one that never opens the slice is given up after the command timeout", async () => {
    const started = performance.now();
    await expect(openOn(() => "silence", 300)).rejects.toThrow(/did not answer within 0\.3 s/);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it("one that never answers a command likewise", async () => {
    const slice = await openOn(
      opens(() => "silence"),
      300,
    );
    const reading = slice.readState("exit", never);
    await expect(reading).rejects.toThrow(RetryableError);
    await expect(reading).rejects.toThrow(/did not answer within 0\.3 s/);
  });

  it("one that announces a tensor in a lane it has not opened", async () => {
    const slice = await openOn(opens(() => [{ state: { dtype: "DTYPE_FLOAT32", shape: [4], lane: 1 } }]));
    const reading = slice.readState("exit", never);
    await expect(reading).rejects.toThrow(RetryableError);
    await expect(reading).rejects.toThrow("in a lane that it did not open");
  });

  it.runIf(laneFolder())("one that announces a tensor in a lane and writes none", async () => {
    const answer: FakeAnswer = (command) =>
      command.setup
        ? [{ opened: { lane: true } }]
        : [{ state: { dtype: "DTYPE_FLOAT32", shape: [192], lane: 1 } }];
    const slice = await openOn(answer, 5000, laneFolder());
    await expect(slice.readState("exit", never)).rejects.toThrow("a lane ended after 0 of 768 bytes");
  });

  it("one that closes the slice", async () => {
    const slice = await openOn(opens(() => "end"));
    await expect(slice.serial(never)).rejects.toThrow(RetryableError);
  });

  it("one that answers something else", async () => {
    const slice = await openOn(opens(() => [{ opened: {} }]));
    await expect(slice.serial(never)).rejects.toThrow(/answered opened where serial was due/);
  });

  it("one whose tensor arrives damaged", async () => {
    const { tensor } = encodeTensor(new Float32Array(192), [192]);
    const damaged = { ...tensor, crc32: 1 };
    const slice = await openOn(opens(() => [{ state: damaged }]));
    const reading = slice.readState("exit", never);
    await expect(reading).rejects.toThrow(RetryableError);
    await expect(reading).rejects.toThrow(/arrived damaged/);
  });

  it.each([
    ["input", InputError],
    ["fatal", FatalError],
    ["retryable", RetryableError],
    ["anything", RetryableError],
  ] as const)("a failure of kind %s arrives as what it is", async (kind, type) => {
    const slice = await openOn(opens(() => [{ failure: { kind, message: "because" } }]));
    const failing = slice.serial(never);
    await expect(failing).rejects.toThrow(type);
    await expect(failing).rejects.toThrow("because");
  });

  it("a caller that aborts gets its own reason at once", async () => {
    const slice = await openOn(
      opens(() => "silence"),
      60_000,
    );
    const abort = new AbortController();
    const serial = slice.serial(abort.signal);
    abort.abort(new Error("the user pressed Ctrl-C"));
    await expect(serial).rejects.toThrow("the user pressed Ctrl-C");
  });
});

it("nobody learns a slice's commands without its token, nor with it twice", async () => {
  const server = await exchange();
  const client = new protocol.Exchange(server.address, insecureChannel, channelOptions);
  closing.push(() => client.close());
  const follow = (token: string) => {
    const call = client.followSlice({ token }, { deadline: Date.now() + 10_000 });
    // Without a listener the cancellation at the end would be thrown.
    call.on("error", () => {});
    return call;
  };
  const feed = server.announce("secret");
  const owner = follow("secret");
  const first = once(owner, "data");
  await feed.write([{ readState: { which: "WHICH_EXIT" } }]);
  expect(await first).toMatchObject([{ readState: { which: "WHICH_EXIT" } }]);
  for (const token of ["guess", "secret"]) {
    const stranger = follow(token);
    stranger.resume();
    const [error] = (await once(stranger, "error")) as [Error];
    expect(error.message).toContain("no slice of that token is open");
  }
  feed.end();
});

it("a worker whose engine ended says that it does not serve, and fails commands at once", async () => {
  const engine = await EngineThread.start({ modelPath: quick, threads: 1, laneFolder: undefined });
  const server = await serveWorker(engine, "127.0.0.1:0");
  closing.push(() => server.close());
  const channel = await connect(`127.0.0.1:${server.port}`);
  await channel.checkHealth(2000);
  await engine.close();
  await engine.ended;
  await expect(channel.checkHealth(2000)).rejects.toThrow(/not healthy: NOT_SERVING/);
  await expect(engine.perform({ kind: "serial", slice: 0 })).rejects.toThrow(RetryableError);
});
