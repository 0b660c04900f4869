/** A slice whose socket for rounds is lost on the way, while its gRPC streams live. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, afterEach, expect, it } from "vitest";
import { ExchangeServer } from "../../coordinator/wire/exchange-server.js";
import { GrpcSlice } from "../../coordinator/wire/grpc-slice.js";
import { WorkerChannel } from "../../coordinator/wire/worker-channel.js";
import { RetryableError } from "../../shared/errors.js";
import { EngineThread } from "../../worker/engine-thread.js";
import { serveWorker } from "../../worker/server.js";
import { firstRound } from "../first-round.js";
import { never } from "../fleet-fixture.js";
import { ModelFolder, nullModel } from "../models.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const quick = models.write("null.onnx", nullModel());

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A relay to a port, and the two ends of the one connection that comes. */
async function relayTo(
  target: number,
): Promise<{ port: number; ends: Promise<[near: Socket, far: Socket]> }> {
  let settle: (ends: [Socket, Socket]) => void = () => {};
  const ends = new Promise<[Socket, Socket]>((resolve) => {
    settle = resolve;
  });
  const server = createServer((near) => {
    const far = connect({ port: target, host: "127.0.0.1" });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (bytes) => to.write(bytes));
      from.on("error", () => {});
    }
    closing.push(() => near.destroy() && far.destroy());
    settle([near, far]);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, ends };
}

async function opened() {
  const engine = await EngineThread.start({ modelPath: quick, threads: 1, laneFolder: undefined });
  const server = await serveWorker(engine, "127.0.0.1:0");
  closing.push(() => server.close());
  const channel = await WorkerChannel.connect(`127.0.0.1:${server.port}`);
  closing.push(() => channel.close());
  const exchange = await ExchangeServer.listen("127.0.0.1:0");
  closing.push(() => exchange.close());
  await exchange.openRounds("127.0.0.1:0", null);
  const { hall } = exchange.rounds!;
  const relay = await relayTo(Number(hall.name));
  const way = {
    address: exchange.address,
    announce: (token: string) => exchange.announce(token),
    withdraw: (token: string) => exchange.withdraw(token),
    laneHall: (folder: string) => exchange.laneHall(folder),
    rounds: { hall, address: `127.0.0.1:${relay.port}` },
  };
  const spec = { chain: toyChain({ steps: 2, method: "secant" }), begin: 0, end: 2, seeds: undefined };
  const slice = await GrpcSlice.open(spec, channel, way, { command: 60_000 }, undefined, never);
  closing.push(() => slice.close());
  const round = firstRound(0, 2);
  expect((await slice.round(round, never)).evaluations).toBe(2);
  const [near, far] = await relay.ends;
  return { near, far, next: () => slice.round({ ...round, round: 2 }, never) };
}

it("on the worker's side: the worker gives it up by its stream, and what was asked of it fails", async () => {
  const { near, next } = await opened();
  near.destroy();
  const asked = next();
  await expect(asked).rejects.toThrow(RetryableError);
}, 30_000);

it("on the coordinator's side: what is asked of it fails at once", async () => {
  const { far, next } = await opened();
  far.destroy();
  await expect(next()).rejects.toThrow(RetryableError);
});
