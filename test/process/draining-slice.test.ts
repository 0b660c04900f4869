/** Slices of a worker that drains, whichever way their rounds come. */
import { afterAll, afterEach, expect, it } from "vitest";
import { ExchangeServer } from "../../coordinator/wire/exchange-server.js";
import { GrpcSlice } from "../../coordinator/wire/grpc-slice.js";
import { WorkerChannel } from "../../coordinator/wire/worker-channel.js";
import { ReturnedError } from "../../shared/errors.js";
import { laneFolder } from "../../shared/wire/tensor-lane.js";
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

const round = firstRound(0, 2);

const ways = [
  ["streams", undefined],
  ["a lane's socket", laneFolder()],
] as const;

it.each(ways)("a round that comes by %s is given back, which says nothing against it", async (_, lanes) => {
  const engine = await EngineThread.start({ modelPath: quick, threads: 1, laneFolder: lanes });
  const server = await serveWorker(engine, "127.0.0.1:0");
  closing.push(() => server.close());
  const channel = await WorkerChannel.connect(`127.0.0.1:${server.port}`);
  closing.push(() => channel.close());
  const exchange = await ExchangeServer.listen("127.0.0.1:0");
  closing.push(() => exchange.close());
  const chain = toyChain({ steps: 2, method: "secant" });
  const spec = { chain, begin: 0, end: 2, seeds: undefined };
  const slice = await GrpcSlice.open(spec, channel, exchange, { command: 10_000 }, lanes, never);
  closing.push(() => slice.close());
  expect((await slice.round(round, never)).evaluations).toBe(2);
  server.work.drain();
  // Tasks are done in order: when this one is, the engine knows.
  await engine.perform({ kind: "drain" });
  const refused = slice.round({ ...round, round: 2 }, never);
  await expect(refused).rejects.toThrow(ReturnedError);
  await expect(refused).rejects.toThrow("the worker is draining");
});
