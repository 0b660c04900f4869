/** What a worker answers to whoever asks for what cannot be: it says so, and goes on serving the others. */
import { once } from "node:events";
import { afterAll, afterEach, expect, it } from "vitest";
import { ExchangeServer } from "../../coordinator/wire/exchange-server.js";
import { encodeChain } from "../../shared/wire/chain-codec.js";
import type { OpenSliceRequest } from "../../shared/wire/generated/deqfleet/v1/OpenSliceRequest.js";
import type { SliceEvent__Output } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import { channelOptions, insecureChannel, protocol, protocolVersion } from "../../shared/wire/protocol.js";
import { encodeTensor } from "../../shared/wire/tensor-codec.js";
import { EngineThread } from "../../worker/engine-thread.js";
import { serveWorker } from "../../worker/server.js";
import { ModelFolder, nullModel } from "../models.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const quick = models.write("null.onnx", nullModel());

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A client of a real worker. */
async function worker(): Promise<InstanceType<typeof protocol.Worker>> {
  const engine = await EngineThread.start({ modelPath: quick, threads: 1, laneFolder: undefined });
  const server = await serveWorker(engine, "127.0.0.1:0");
  closing.push(() => server.close());
  const client = new protocol.Worker(`127.0.0.1:${server.port}`, insecureChannel, channelOptions);
  closing.push(() => client.close());
  return client;
}

/** The failure that a request is answered with. */
async function failureOf(client: InstanceType<typeof protocol.Worker>, request: OpenSliceRequest) {
  const call = client.openSlice(request, { deadline: Date.now() + 10_000 });
  const [event] = (await once(call, "data")) as [SliceEvent__Output];
  return event.failure;
}

it.each(["", "nowhere", "dns://:::/"])("an exchange at %j is refused, and the worker lives", async (at) => {
  const client = await worker();
  const request = { protocolVersion, exchangeAddress: at, token: "t", begin: 0, end: 1 };
  const failure = await failureOf(client, request);
  expect(failure).toMatchObject({ kind: "input" });
  expect(failure?.message).toContain(`"${at}", which is no HOST:PORT`);
  // The version is said before anything else of the message is believed.
  const other = await failureOf(client, {});
  expect(other?.message).toContain("the coordinator speaks protocol 0");
});

it("a slice whose tensors are shorter than its canvas is refused, naming both", async () => {
  const client = await worker();
  const exchange = await ExchangeServer.listen("127.0.0.1:0");
  closing.push(() => exchange.close());
  const chain = toyChain({ steps: 2, method: "secant" });
  const { tensor } = encodeTensor(chain.pseudoInverse.subarray(1), [chain.pseudoInverse.length - 1]);
  const sent = exchange.announce("t").write([{ setup: {} }, { setupTensor: tensor }]);
  const request = { protocolVersion, exchangeAddress: exchange.address, token: "t", begin: 0, end: 2 };
  const failure = await failureOf(client, { ...request, chain: encodeChain(chain) });
  await sent;
  expect(failure).toMatchObject({ kind: "input" });
  expect(failure?.message).toContain("A^+ y has 191 numbers, and the canvas of 8x8 (HxW) needs 192");
});

it.each([
  [65_536, 65_536, "65536x65536 (HxW) is 4294967296 pixels"],
  [0, 64, "0x64 (HxW) cannot be"],
])("pictures of %ix%i are not measured", async (height, width, reason) => {
  const client = await worker();
  const refused = new Promise((_, reject) => {
    client.measureCosts({ seconds: 1, height, width }, { deadline: Date.now() + 10_000 }, reject);
  });
  await expect(refused).rejects.toThrow(/^3 INVALID_ARGUMENT/);
  await expect(refused).rejects.toThrow(reason);
});
