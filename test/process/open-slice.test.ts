/** What a worker answers to whoever opens a slice the wrong way: it says so, and goes on serving the others. */
import { once } from "node:events";
import { afterAll, afterEach, expect, it } from "vitest";
import type { OpenSliceRequest } from "../../shared/wire/generated/deqfleet/v1/OpenSliceRequest.js";
import type { SliceEvent__Output } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import { channelOptions, insecureChannel, protocol, protocolVersion } from "../../shared/wire/protocol.js";
import { EngineThread } from "../../worker/engine-thread.js";
import { serveWorker } from "../../worker/server.js";
import { ModelFolder, nullModel } from "../models.js";

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
